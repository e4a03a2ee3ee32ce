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
    /// Nothing was given to tell whose show it is.
    #[error("publishing needs the creator's stream key, as `Authorization: Bearer KEY`")]
    NoKey,
    /// The key is that of another creator than the one published as.
    #[error("the stream key is another creator's")]
    AnotherCreators,
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

    /// Holds a publisher who names a creator to that name: the key, if one is needed, must be that
    /// creator's.
    ///
    /// # Errors
    /// When it may not publish there, or the store does not answer.
    pub async fn authorize_as(
        &self,
        handle: &str,
        stream_key: Option<&str>,
    ) -> Result<Handle, Denied> {
        if let Self::Open(_) = self {
            return self.authorize(handle).await;
        }
        let owner = self.authorize(stream_key.ok_or(Denied::NoKey)?).await?;
        if owner.as_str() == handle { Ok(owner) } else { Err(Denied::AnotherCreators) }
    }
}
