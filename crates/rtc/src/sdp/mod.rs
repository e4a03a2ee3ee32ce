//! Offers read, answers made.
