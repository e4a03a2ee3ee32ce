//! RTP payloads into frames.
