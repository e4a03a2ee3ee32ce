"""The marks of `js/marks.js`, drawn into and read from planar pictures without other libraries."""

import array
import math

BITS = 16
CELLS = BITS + 2
STRIP_HEIGHT = 10
FLASH_EDGE = 4
MARK_S = 0.1
SAMPLES_PER_SECOND = 48_000
WHITE_MIN = 128
LOUD_MIN = 0.15 * 32_768
QUIET_S = 0.2


def read_flash(frame):
    """Whether the flash of a decoded picture is lit."""
    plane = frame.planes[0]
    row, column = frame.height // FLASH_EDGE // 2, frame.width // FLASH_EDGE // 2
    return memoryview(plane)[row * plane.line_size + column] >= WHITE_MIN


def draw(frame, now_ms, at_s):
    """Fills a picture: a moving grey, the flash of its place in time, and the clock."""
    width, height = frame.width, frame.height
    value = int(now_ms) % 2**BITS
    gray = value ^ (value >> 1)
    cells = [True, *((gray >> (BITS - 1 - bit)) & 1 for bit in range(BITS)), False]
    strip = b"".join(
        (b"\xeb" if white else b"\x10") * (width * (cell + 1) // CELLS - width * cell // CELLS)
        for cell, white in enumerate(cells)
    )
    plain = bytes([64 + int(at_s * 30) % 64]) * width
    edge = width // FLASH_EDGE
    flash = (b"\xeb" if at_s % 1 < MARK_S else b"\x10") * edge + plain[edge:]
    flash_rows = height // FLASH_EDGE
    strip_rows = height // STRIP_HEIGHT
    rows = [flash] * flash_rows + [plain] * (height - flash_rows - strip_rows) + [strip] * strip_rows
    write_plane(frame.planes[0], rows)
    for plane in frame.planes[1:]:
        write_plane(plane, [b"\x80" * (width // 2)] * (height // 2))


def write_plane(plane, rows):
    padding = b"\x00" * (plane.line_size - len(rows[0]))
    plane.update(b"".join(row + padding for row in rows))


def sound(first_sample, samples):
    """Stereo samples from a place in time on: a hum, with a beep at the start of each second."""
    values = array.array("h")
    for index in range(first_sample, first_sample + samples):
        at_s = index / SAMPLES_PER_SECOND
        value = 0.02 * math.sin(2 * math.pi * 440 * at_s)
        if at_s % 1 < MARK_S:
            value += 0.5 * math.sin(2 * math.pi * 1000 * at_s)
        values.extend([int(value * 32_767)] * 2)
    return values.tobytes()


class Beeps:
    """Finds where beeps begin in decoded sound."""

    def __init__(self):
        self.last_loud = -math.inf

    def onsets(self, frame):
        """Indexes of the samples of a packed 16 bit stereo frame that begin a beep."""
        found = []
        samples = memoryview(frame.planes[0]).cast("h")
        for index in range(frame.samples):
            if abs(samples[2 * index]) < LOUD_MIN:
                continue
            at = frame.pts + index
            if at - self.last_loud > QUIET_S * SAMPLES_PER_SECOND:
                found.append(index)
            self.last_loud = at
        return found
