//! What comes out, decoded again and measured: tone, level, place in time, and what damage costs.
//!
//! Sound is a tone of 1 kHz that begins half a second in. The fixtures are FFmpeg 5.1's native AAC
//! encoder at work on `if(gte(t,0.5),0.25*sin(2*PI*1000*t),0)`; the rest is encoded here.

mod damage;
mod sound;
mod time;
mod tone;
