// Marks in the picture and the sound, drawn by publishers and read back by players.
//
// - A clock: the milliseconds of the wall clock when the picture was made, below 2^16, as a Gray
//   code in 16 cells at the bottom, between a white and a black cell that tell a mark from noise.
// - A flash with a beep at the start of each second of the publisher's timeline.
//
// `publish/marks.rs` draws the same with ffmpeg's filters; places and sizes have to be the same.

/** Bits of the clock. */
const BITS = 16;
/** The clock starts anew after so many milliseconds. */
export const CLOCK_WRAP_MS = 2 ** BITS;
/** Cells of the bottom strip: white, the bits from the highest, black. */
const CELLS = BITS + 2;
/** Height of the strip, as a part of the picture's. */
const STRIP_HEIGHT = 1 / 10;
/** Edge of the flash in the upper left corner, as a part of width and height. */
const FLASH_EDGE = 1 / 4;
/** How long flash and beep last. */
export const MARK_MS = 100;
/** Pitch of the beep. */
export const BEEP_HZ = 1000;

/** Between black and white in one channel of 8 bits. */
const WHITE_MIN = 128;

/** Draws the clock. */
export function drawClock(context, width, height, now_ms) {
  const value = Math.floor(now_ms) % CLOCK_WRAP_MS;
  const gray = value ^ (value >> 1);
  const top = height * (1 - STRIP_HEIGHT);
  for (let cell = 0; cell < CELLS; cell++) {
    const white = cell === 0 || (cell <= BITS && (gray >> (BITS - cell)) & 1);
    context.fillStyle = white ? "#fff" : "#000";
    context.fillRect((cell * width) / CELLS, top, width / CELLS, height - top);
  }
}

/** Draws the place of the flash, lit or dark. */
export function drawFlash(context, width, height, lit) {
  context.fillStyle = lit ? "#fff" : "#000";
  context.fillRect(0, 0, width * FLASH_EDGE, height * FLASH_EDGE);
}

/** Reads the marks of a video element. */
export class MarkReader {
  constructor() {
    this.canvas = new OffscreenCanvas(CELLS + 1, 1);
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
  }

  /**
   * The clock of the picture shown, or null where it has none, and whether the flash is lit.
   * @returns {{ clock_ms: number | null, lit: boolean }}
   */
  read(video) {
    const { videoWidth: width, videoHeight: height } = video;
    const strip = height * STRIP_HEIGHT;
    // The middle of each cell is shrunk to one pixel: edges are blurred by the encoder.
    this.context.drawImage(video, 0, height - strip * 0.75, width, strip / 2, 0, 0, CELLS, 1);
    const [w, h] = [width * FLASH_EDGE, height * FLASH_EDGE];
    this.context.drawImage(video, w / 4, h / 4, w / 2, h / 2, CELLS, 0, 1, 1);
    const pixels = this.context.getImageData(0, 0, CELLS + 1, 1).data;
    const white = Array.from({ length: CELLS + 1 }, (_, cell) => pixels[4 * cell + 1] >= WHITE_MIN);
    const lit = white[CELLS];
    if (!white[0] || white[CELLS - 1]) return { clock_ms: null, lit };
    let value = 0;
    for (let bit = 1; bit <= BITS; bit++) value = (value << 1) | ((value & 1) ^ Number(white[bit]));
    return { clock_ms: value, lit };
  }
}

/** Milliseconds from one reading of the clock to another, less than half a turn either way. */
export function clockDistance(from_ms, to_ms) {
  const half = CLOCK_WRAP_MS / 2;
  return ((((to_ms - from_ms + half) % CLOCK_WRAP_MS) + CLOCK_WRAP_MS) % CLOCK_WRAP_MS) - half;
}
