//! A whole WHIP or WHEP session.
