//! Pictures: taken in from admins, kept as files, served under `/media/`.
//!
//! What is uploaded is never what is served. A file is judged by its own first bytes, decoded within limits and encoded
//! anew ([`image`]), so that nothing of the sender's survives but what is to be seen: no EXIF, no name, no script in a
//! comment. Names are ours and random, which is why a browser may keep a file for ever.
//!
//! Memory is what an upload costs most of. So only a few bodies are held at a time ([`MAX_UPLOADS`]) and one picture is decoded
//! at a time, on a thread of its own: the largest takes 256 MiB. Who waits holds at most its own 8 MiB, or nothing yet.

pub mod files;
mod headers;
pub mod image;
pub mod storage;

use std::sync::Arc;

use bytes::Bytes;
use object_store::{Attribute, Attributes, GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutOptions, path::Path};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use self::{
    image::{EncodedImage, ProcessedImage},
    storage::Storage,
};
use crate::thread_pool::{RunError, ThreadPool};

/// How many uploads are held in memory at a time. The others wait unread, in the sender's socket.
pub const MAX_UPLOADS: usize = 2;

/// Why a picture was not taken in, or not kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is wrong with it, to follow its name: "must not be animated".
    #[error("image {0}.")]
    InvalidImage(String),
    #[error("The storage for images is unavailable. Try again.")]
    Unavailable(#[source] object_store::Error),
    #[error(transparent)]
    Thread(#[from] RunError),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where the shop keeps its files. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Media {
    store: Arc<dyn ObjectStore>,
    storage: Storage,
    /// What an address of a file starts with.
    base: String,
    permits: Arc<Semaphore>,
    threads: Arc<ThreadPool<()>>,
}

impl Media {
    /// # Errors
    /// When the place cannot be used as it is described. A bucket is not asked yet: it may still be starting.
    pub fn new(storage: Storage, public_url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            store: storage.open()?,
            storage,
            base: format!("{public_url}/media"),
            permits: Arc::new(Semaphore::new(MAX_UPLOADS)),
            threads: Arc::new(ThreadPool::start("pictures", 1, MAX_UPLOADS)),
        })
    }

    /// Waits until there is room for one more upload in memory. It has the room until the permit is dropped.
    ///
    /// # Panics
    /// Never: the seats are there as long as the shop.
    pub async fn upload_permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Judges an upload and makes of it what will be kept: the picture anew, and its thumbnail. One at a time.
    ///
    /// # Errors
    /// When it is no picture that can be kept, with what is wrong with it.
    pub async fn process(&self, file: Bytes) -> Result<ProcessedImage> {
        let read = match self.threads.run(move |()| image::process(&file)).await {
            Ok(read) => read,
            Err(RunError::Panicked) => {
                tracing::error!("a decoder panicked");
                Err("cannot be read".to_owned())
            }
            // Whoever comes here has a seat, and there is room in the queue for all of them.
            Err(full @ RunError::Full) => return Err(full.into()),
        };
        read.map_err(Error::InvalidImage)
    }

    /// Keeps a file.
    ///
    /// # Errors
    /// When the folder cannot be written or the bucket does not answer.
    pub async fn put(&self, name: &str, file: EncodedImage) -> Result<()> {
        let mut options = PutOptions::default();
        if matches!(self.storage, Storage::Bucket { .. }) {
            options.attributes = Attributes::from_iter([(Attribute::ContentType, file.format.content_type())]);
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
        if let Storage::Folder(folder) = &self.storage {
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
            Ok(()) => Ok(format!("{} can be written", self.storage)),
            Err(error) => Err(format!("{} cannot be written ({error}); {}", self.storage, self.storage.advice())),
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
