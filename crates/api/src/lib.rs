//! JSON API over watch, program and store: playback sessions, figures, levels, webhooks.
//!
//! # Must never
//! Know a media protocol or the hub, or contain SQL.
