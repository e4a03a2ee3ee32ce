// Drives OBS Studio over its websocket: prepares a scene, streams until its standard input ends.
//
//   node obs.mjs --port N --password P --server rtmp://HOST/live --key KEY --media FILE
import { parseArgs } from "node:util";
import { OBSWebSocket } from "obs-websocket-js";

const { values: options } = parseArgs({
  options: {
    port: { type: "string" },
    password: { type: "string" },
    server: { type: "string" },
    key: { type: "string" },
    media: { type: "string" },
  },
});

const obs = new OBSWebSocket();
await obs.connect(`ws://127.0.0.1:${options.port}`, options.password);
await obs.call("SetStreamServiceSettings", {
  streamServiceType: "rtmp_custom",
  streamServiceSettings: { server: options.server, key: options.key, use_auth: false },
});
const { currentProgramSceneName } = await obs.call("GetSceneList");
await obs.call("CreateInput", {
  sceneName: currentProgramSceneName,
  inputName: "moving picture with sound",
  inputKind: "ffmpeg_source",
  inputSettings: { local_file: options.media, looping: true },
});
const stopped = new Promise((resolve) => {
  obs.on("StreamStateChanged", ({ outputState }) => {
    console.log(`state ${outputState}`);
    if (outputState === "OBS_WEBSOCKET_OUTPUT_STOPPED") resolve(undefined);
  });
});
await obs.call("StartStream");

process.stdin.resume();
await new Promise((resolve) => process.stdin.on("end", resolve));
await obs.call("StopStream");
await stopped;
await obs.disconnect();
