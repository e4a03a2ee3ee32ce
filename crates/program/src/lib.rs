//! The program's rules as pure functions: levels, rights, decisions.
//!
//! # Must never
//! Know the server or SQL, read the clock, or use floats for money or time.
