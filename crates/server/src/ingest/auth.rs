//! Who may publish under which handle.

use tally_store::{Handle, Store};

use crate::clock;

/// Decides who may publish.
#[derive(Clone, Debug)]
pub enum Auth {
    /// A stream key from the store decides whose show it is.
    Key(Store),
    /// Whatever name is given becomes the handle; the creator is made on the fly. For development.
    Open(Store),
}

/// Why a publisher is turned away. The text is for the encoder's operator and holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Nobody has this key.
    #[error("the stream key is not valid: see `tally creator add` and `rotate-key`")]
    UnknownKey,
    /// Open publishing takes the name as handle, and this is none.
    #[error("with auth.publish = \"open\" the stream name is the handle: {0}")]
    NotAHandle(String),
    /// The store could not answer.
    #[error("the server cannot check stream keys right now")]
    Unavailable(#[source] tally_store::Error),
}

impl Auth {
    /// The handle that `stream_key` may publish under.
    ///
    /// # Errors
    /// When it may not, or the store does not answer.
    pub async fn authorize(&self, stream_key: &str) -> Result<Handle, Denied> {
        match self {
            Self::Key(store) => {
                let creator = store.authenticate(stream_key).await.map_err(Denied::Unavailable)?;
                let creator = creator.ok_or(Denied::UnknownKey)?;
                // A disk that is full must not keep a creator off the air.
                if let Err(error) = store.note_key_used(creator.id, clock::unix_ms()).await {
                    tracing::warn!(%error, "cannot note when the stream key was used");
                }
                Ok(creator.handle)
            }
            Self::Open(store) => {
                let handle: Handle = stream_key
                    .parse()
                    .map_err(|problem| Denied::NotAHandle(format!("{problem}")))?;
                store.ensure_creator(&handle).await.map_err(Denied::Unavailable)?;
                Ok(handle)
            }
        }
    }
}
