//! What the show looks like: colour bars, a clock and a frame counter of big digits, a moving
//! bar, and the frame number once more as bits that a test can read from a player's canvas.

/// A colour as 8-bit limited-range Y'CbCr (BT.709).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    /// Luma.
    pub y: u8,
    /// Blue difference.
    pub cb: u8,
    /// Red difference.
    pub cr: u8,
}

impl Color {
    const fn new(y: u8, cb: u8, cr: u8) -> Self {
        Self { y, cb, cr }
    }
}

const BLACK: Color = Color::new(16, 128, 128);
const NIGHT: Color = Color::new(34, 140, 124);
const WHITE: Color = Color::new(235, 128, 128);
const SLATE: Color = Color::new(92, 140, 120);
const AMBER: Color = Color::new(168, 44, 150);
/// 75 % colour bars: white, yellow, cyan, green, magenta, red, blue.
const BARS: [Color; 7] = [
    Color::new(180, 128, 128),
    Color::new(168, 44, 136),
    Color::new(145, 147, 44),
    Color::new(133, 63, 52),
    Color::new(63, 193, 204),
    Color::new(51, 109, 212),
    Color::new(28, 212, 120),
];

/// Edge of a macroblock, and so of a mosaic's stone, in pixels.
pub const STONE_PIXELS: u16 = 16;
/// Bits of the frame number in the lowest full row: six days at 30 frames a second. A parity bit follows.
pub const NUMBER_BITS: usize = 24;
/// Rows of the digits.
const DIGIT_ROWS: usize = 5;
/// Columns of a digit with the gap behind it.
const DIGIT_COLUMNS: usize = 4;
/// Columns of a colon with its gap.
const COLON_COLUMNS: usize = 2;
/// `HH:MM:SS` without the last gap.
const CLOCK_COLUMNS: usize = 6 * DIGIT_COLUMNS + 2 * COLON_COLUMNS - 1;
/// Digits 0 to 9, each five rows of three bits.
const DIGITS: [[u8; DIGIT_ROWS]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// A picture of flat stones, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mosaic {
    columns: usize,
    stones: Vec<Color>,
}

impl Mosaic {
    /// Stones in all.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.stones.len()
    }

    /// Stones in a row.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Whether there are none; never so for a scene.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stones.is_empty()
    }

    /// The colour of a stone by its number.
    #[must_use]
    pub fn color(&self, index: usize) -> Color {
        self.stones[index]
    }

    pub(crate) fn left_of(&self, index: usize) -> Option<Color> {
        (!index.is_multiple_of(self.columns)).then(|| self.stones[index - 1])
    }

    pub(crate) fn above(&self, index: usize) -> Option<Color> {
        index.checked_sub(self.columns).map(|above| self.stones[above])
    }

    /// Paints a rectangle, cut at the edges.
    fn fill(&mut self, column: usize, row: usize, size: (usize, usize), color: Color) {
        let rows = self.stones.len() / self.columns;
        let end = (column + size.0).min(self.columns);
        for row in row..(row + size.1).min(rows) {
            self.stones[row * self.columns..][column.min(end)..end].fill(color);
        }
    }
}

/// Paints the pictures of a show of one size.
#[derive(Clone, Debug)]
pub struct Scene {
    columns: usize,
    rows: usize,
    full_rows: usize,
    fps: u32,
}

impl Scene {
    /// A scene of `width` x `height` pixels, which [`crate::Options`] has checked.
    pub(crate) fn new(width: u16, height: u16, fps: u32) -> Self {
        Self {
            columns: usize::from(width.div_ceil(STONE_PIXELS)),
            rows: usize::from(height.div_ceil(STONE_PIXELS)),
            full_rows: usize::from(height / STONE_PIXELS),
            fps,
        }
    }

    /// The picture of frame `number`.
    #[must_use]
    pub fn paint(&self, number: u64) -> Mosaic {
        let mut mosaic =
            Mosaic { columns: self.columns, stones: vec![NIGHT; self.columns * self.rows] };
        let bars_end = self.full_rows / 5;
        for (index, color) in BARS.iter().enumerate() {
            let start = self.columns * index / BARS.len();
            let width = self.columns * (index + 1) / BARS.len() - start;
            mosaic.fill(start, 0, (width, bars_end), *color);
        }
        let clock_row = bars_end + 1;
        self.paint_clock(&mut mosaic, clock_row, number);
        self.paint_counter(&mut mosaic, clock_row + DIGIT_ROWS + 1, number);
        self.paint_mover(&mut mosaic, number);
        self.paint_number(&mut mosaic, number);
        mosaic
    }

    /// `HH:MM:SS`, or `MM:SS` where that is too wide.
    fn paint_clock(&self, mosaic: &mut Mosaic, row: usize, number: u64) {
        let seconds = number / u64::from(self.fps);
        let fields = [seconds / 3_600 % 100, seconds / 60 % 60, seconds % 60];
        let is_wide = self.columns >= CLOCK_COLUMNS;
        let (fields, width) = if is_wide {
            (&fields[..], CLOCK_COLUMNS)
        } else {
            (&fields[1..], CLOCK_COLUMNS - 2 * DIGIT_COLUMNS - COLON_COLUMNS)
        };
        let mut column = (self.columns - width) / 2;
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                mosaic.fill(column, row + 1, (1, 1), WHITE);
                mosaic.fill(column, row + 3, (1, 1), WHITE);
                column += COLON_COLUMNS;
            }
            for digit in [field / 10, field % 10] {
                paint_digit(mosaic, column, row, digit as usize, WHITE);
                column += DIGIT_COLUMNS;
            }
        }
    }

    /// The last six digits of the frame number, where there is room under the clock.
    fn paint_counter(&self, mosaic: &mut Mosaic, row: usize, number: u64) {
        const DIGITS_SHOWN: usize = 6;
        if row + DIGIT_ROWS > self.mover_row() {
            return;
        }
        let mut column = (self.columns + DIGITS_SHOWN * DIGIT_COLUMNS - 1) / 2;
        let mut rest = number;
        for _ in 0..DIGITS_SHOWN {
            column -= DIGIT_COLUMNS;
            paint_digit(mosaic, column, row, (rest % 10) as usize, SLATE);
            rest /= 10;
        }
    }

    const fn mover_row(&self) -> usize {
        self.full_rows - 5
    }

    /// A bar that moves one column a frame.
    fn paint_mover(&self, mosaic: &mut Mosaic, number: u64) {
        let column = (number % self.columns as u64) as usize;
        mosaic.fill(column, self.mover_row(), (1, 3), AMBER);
    }

    /// The frame number, lowest bit first, and a parity bit, in the lowest row that is not cropped.
    fn paint_number(&self, mosaic: &mut Mosaic, number: u64) {
        let row = self.full_rows - 1;
        let bits = number & ((1 << NUMBER_BITS) - 1);
        for index in 0..NUMBER_BITS {
            let color = if bits >> index & 1 == 1 { WHITE } else { BLACK };
            mosaic.fill(index, row, (1, 1), color);
        }
        let parity = if bits.count_ones() % 2 == 1 { WHITE } else { BLACK };
        mosaic.fill(NUMBER_BITS, row, (1, 1), parity);
    }

    /// Reads the frame number (its lowest [`NUMBER_BITS`]) back from a decoded picture: `luma_at` gives
    /// the luma at a pixel. Bit `i` lies around x = 16 i + 8, in the lowest whole 16 rows of pixels;
    /// white is 1; the bit after the last is the parity. `None` when the parity does not fit.
    pub fn frame_number(&self, luma_at: impl Fn(u16, u16) -> u8) -> Option<u64> {
        const THRESHOLD: u8 = 128;
        let half = STONE_PIXELS / 2;
        let y = self.full_rows as u16 * STONE_PIXELS - half;
        let bit = |index: usize| luma_at(index as u16 * STONE_PIXELS + half, y) > THRESHOLD;
        let number =
            (0..NUMBER_BITS).filter(|index| bit(*index)).fold(0u64, |sum, index| sum | 1 << index);
        (bit(NUMBER_BITS) == (number.count_ones() % 2 == 1)).then_some(number)
    }
}

fn paint_digit(mosaic: &mut Mosaic, column: usize, row: usize, digit: usize, color: Color) {
    for (index, bits) in DIGITS[digit].iter().enumerate() {
        for offset in (0..3).filter(|offset| bits >> (2 - offset) & 1 == 1) {
            mosaic.fill(column + offset, row + index, (1, 1), color);
        }
    }
}
