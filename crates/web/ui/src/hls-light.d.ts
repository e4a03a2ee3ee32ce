// The light build (without subtitles, encryption, alternate audio and advertising) has the types of
// the whole one; its package leaves them out.
declare module "hls.js/light" {
  export * from "hls.js";
  export { default } from "hls.js";
}
