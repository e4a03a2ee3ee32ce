//! Who and what a piece of evidence is about. All are given out by the server and opaque here.

/// One live broadcast of a creator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShowId(pub u64);

/// One player's playback session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// One viewer: the account, or else the server-issued device token, hashed to 128 bits. A viewer has
/// the same key in every session, tab and show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ViewerKey(pub u128);

/// One node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);
