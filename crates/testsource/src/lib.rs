//! testsource.
