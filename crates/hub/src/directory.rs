//! Which streams are live, by name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::stream::Shared;
use crate::{Limits, Producer, Stream};

/// The directory of live streams. Cheap to clone; all clones are the same directory.
///
/// Holds exactly one entry per [`Producer`] alive, so it is bounded by whoever admits publishers.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Directory>);

#[derive(Debug)]
struct Directory {
    limits: Limits,
    streams: Mutex<HashMap<Arc<str>, Stream>>,
}

/// Another producer has a stream of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream named {name:?} is already live")]
pub struct NameTaken {
    /// The name.
    pub name: String,
}

impl Hub {
    /// An empty hub whose streams keep to `limits`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Directory { limits, streams: Mutex::default() }))
    }

    /// Starts a stream. It ends when the producer is dropped.
    ///
    /// # Errors
    /// While another producer holds the name.
    pub fn create(&self, name: &str) -> Result<Producer, NameTaken> {
        let name = Arc::<str>::from(name);
        let shared = match self.streams().entry(Arc::clone(&name)) {
            Entry::Occupied(_) => return Err(NameTaken { name: name.as_ref().to_owned() }),
            Entry::Vacant(vacant) => {
                let shared = Arc::new(Shared::new(name, self.0.limits));
                vacant.insert(Stream(Arc::clone(&shared)));
                shared
            }
        };
        Ok(Producer::new(self.clone(), shared))
    }

    /// The live stream of this name.
    #[must_use]
    pub fn stream(&self, name: &str) -> Option<Stream> {
        self.streams().get(name).cloned()
    }

    /// Every live stream, in no order.
    #[must_use]
    pub fn live(&self) -> Vec<Stream> {
        self.streams().values().cloned().collect()
    }

    /// Frees the name; called by the producer that holds it, once.
    pub(crate) fn remove(&self, name: &str) {
        let removed = self.streams().remove(name);
        // Its last handle may go here, and with it all frames it keeps: not under the lock.
        drop(removed);
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<Arc<str>, Stream>> {
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
