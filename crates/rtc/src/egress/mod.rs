//! What one viewer gets.
