//! The books, from what is said to them to what is asked of them.

mod bounds;
mod levels;
mod life;
mod place;
mod upkeep;
