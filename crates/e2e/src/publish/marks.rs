//! Marks in pictures and sound that players read back, as ffmpeg's filters draw them.
//!
//! What they are is told in `js/marks.js`, which draws the same in a page; places, sizes and times
//! have to be the same.

/// Bits of the clock, which counts milliseconds.
const BITS: u32 = 16;
/// Cells of the strip: white, the bits from the highest, black.
const CELLS: u32 = BITS + 2;
/// Flash and beep are on while this holds of the time in the stream.
const LIT: &str = "lt(mod(t,1),0.1)";

/// Filters that draw the flash and the wall clock.
pub fn filters() -> String {
    let flash = "x=0:y=0:w=iw/4:h=ih/4:t=fill";
    let strip = "y=ih*9/10:h=ih/10:t=fill";
    let mut filters = vec![
        format!("drawbox={flash}:c=black"),
        format!("drawbox={flash}:c=white:enable='{LIT}'"),
        format!("drawbox=x=0:w=iw:{strip}:c=black"),
        format!("drawbox=x=0:w=iw/{CELLS}:{strip}:c=white"),
    ];
    for cell in 1..=BITS {
        let bit = BITS - cell;
        // A bit of the Gray code of n is bit of n + 2^bit one place up. The filters read the clock
        // one after the other: of a Gray code only one bit changes meanwhile.
        let (step, period) = (1_u32 << bit, 2_u64 << bit);
        let clock = format!("mod(floor(time(0)*1000),{})", 1_u32 << BITS);
        let lit = format!("mod(floor(({clock}+{step})/{period}),2)");
        filters.push(format!(
            "drawbox=x=iw*{cell}/{CELLS}:w=iw/{CELLS}:{strip}:c=white:enable='{lit}'"
        ));
    }
    filters.join(",")
}

/// A source of sound: a hum, with a beep as long as the flash is lit.
pub fn sound() -> String {
    let wave = format!("0.02*sin(2*PI*440*t)+if({LIT},0.5*sin(2*PI*1000*t),0)");
    format!("aevalsrc='{wave}|{wave}':s=48000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_for_each_cell_that_is_ever_white() {
        let filters = filters();
        assert_eq!(filters.matches("drawbox").count(), 20);
        assert!(filters.contains("x=iw*16/18") && !filters.contains("x=iw*17/18"));
    }
}
