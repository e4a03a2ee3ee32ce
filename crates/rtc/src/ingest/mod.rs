//! What a publisher sends.
