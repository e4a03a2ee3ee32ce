//! cmaf.
