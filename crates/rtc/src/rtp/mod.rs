//! RTP headers, extensions and sequence numbers.
