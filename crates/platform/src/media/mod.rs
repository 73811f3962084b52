//! Pictures: taken in from admins, kept as files, served under `/media/`.
//!
//! What is uploaded is never what is served. A file is judged by its own first bytes, decoded within limits and encoded
//! anew ([`picture`]), so that nothing of the sender's survives but what is to be seen: no EXIF, no name, no script in a
//! comment. Names are ours and random, which is why a browser may keep a file for ever.
//!
//! Memory is what an upload costs most of. So only a few bodies are held at a time ([`SEATS`]) and one picture is decoded
//! at a time, on a thread of its own: the largest takes 256 MiB. Who waits holds at most its own 8 MiB, or nothing yet.

pub mod files;
mod headers;
pub mod picture;
pub mod place;

use std::sync::Arc;

use bytes::Bytes;
use object_store::{Attribute, Attributes, GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutOptions, path::Path};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::thread_pool::{NotDone, ThreadPool};
use picture::{Encoded, Picture};
use place::Place;

/// How many uploads are held in memory at a time. The others wait unread, in the sender's socket.
pub const SEATS: usize = 2;

/// Why a picture was not taken in, or not kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is wrong with it, to follow its name: "must not be animated".
    #[error("image {0}.")]
    InvalidImage(String),
    #[error("The storage for images is unavailable. Try again.")]
    Unavailable(#[source] object_store::Error),
    #[error(transparent)]
    NotDone(#[from] NotDone),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where the shop keeps its files. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Media {
    store: Arc<dyn ObjectStore>,
    place: Place,
    /// What an address of a file starts with.
    base: String,
    seats: Arc<Semaphore>,
    desk: Arc<ThreadPool<()>>,
}

impl Media {
    /// # Errors
    /// When the place cannot be used as it is described. A bucket is not asked yet: it may still be starting.
    pub fn new(place: Place, public_url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            store: place.open()?,
            place,
            base: format!("{public_url}/media"),
            seats: Arc::new(Semaphore::new(SEATS)),
            desk: Arc::new(ThreadPool::start("pictures", 1, SEATS)),
        })
    }

    /// Waits until there is room for one more upload in memory. It has the room until the permit is dropped.
    ///
    /// # Panics
    /// Never: the seats are there as long as the shop.
    pub async fn seat(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.seats).acquire_owned().await.expect("nobody closes the seats")
    }

    /// Judges an upload and makes of it what will be kept: the picture anew, and its thumbnail. One at a time.
    ///
    /// # Errors
    /// When it is no picture that can be kept, with what is wrong with it.
    pub async fn take_in(&self, file: Bytes) -> Result<Picture> {
        let read = match self.desk.run(move |()| picture::read(&file)).await {
            Ok(read) => read,
            Err(NotDone::Panicked) => {
                tracing::error!("a decoder panicked");
                Err("cannot be read".to_owned())
            }
            // Whoever comes here has a seat, and there is room in the queue for all of them.
            Err(full @ NotDone::Full) => return Err(full.into()),
        };
        read.map_err(Error::InvalidImage)
    }

    /// Keeps a file.
    ///
    /// # Errors
    /// When the folder cannot be written or the bucket does not answer.
    pub async fn put(&self, name: &str, file: Encoded) -> Result<()> {
        let mut options = PutOptions::default();
        if matches!(self.place, Place::Bucket { .. }) {
            options.attributes = Attributes::from_iter([(Attribute::ContentType, file.kind.content_type())]);
        }
        let written = self.store.put_opts(&Path::from(name), file.bytes.into(), options).await;
        written.map(drop).map_err(Error::Unavailable)
    }

    /// Opens a file for reading; [`object_store::Error::NotModified`] when it still has this tag.
    ///
    /// # Errors
    /// Also when it is not there, or its place does not answer.
    pub async fn get(&self, name: &str, if_none_match: Option<String>) -> object_store::Result<GetResult> {
        self.store.get_opts(&Path::from(name), GetOptions { if_none_match, ..GetOptions::default() }).await
    }

    /// Deletes a file. One that is gone already is no error, for this may run twice.
    ///
    /// # Errors
    /// When its place does not answer.
    pub async fn delete(&self, name: &str) -> object_store::Result<()> {
        if let Place::Folder(folder) = &self.place {
            // What a program that was killed while it wrote this file has left.
            let _ = tokio::fs::remove_file(folder.join(format!("{name}#1"))).await; // hardly ever there
        }
        match self.store.delete(&Path::from(name)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            deleted => deleted,
        }
    }

    /// Whether files can be kept, told in one line, with what to do if not.
    ///
    /// # Errors
    /// The line, when they cannot.
    pub async fn can_be_written(&self) -> Result<String, String> {
        let probe = new_name("probe");
        let written = async {
            self.store.put(&Path::from(probe.as_str()), Bytes::from_static(b"doctor").into()).await?;
            self.store.delete(&Path::from(probe.as_str())).await
        };
        match written.await {
            Ok(()) => Ok(format!("{} can be written", self.place)),
            Err(error) => Err(format!("{} cannot be written ({error}); {}", self.place, self.place.advice())),
        }
    }

    /// The address a browser loads a file from; an address from an import is one already.
    #[must_use]
    pub fn url(&self, file: &str) -> String {
        if file.contains("://") { file.to_owned() } else { format!("{}/{file}", self.base) }
    }
}

/// A name that nobody had before and nobody guesses.
#[must_use]
pub fn new_name(ending: &str) -> String {
    format!("{}.{ending}", Uuid::new_v4().simple())
}
