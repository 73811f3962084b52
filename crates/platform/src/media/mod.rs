//! Images: uploaded by admins, stored as files, served under `/media/`.
//!
//! Uploaded files are never served. Their format is read from the first bytes; they are decoded within limits and encoded
//! again ([`images`]), so that nothing but the pixels and the colour profile remains: no EXIF, no name, no script in a
//! comment. File names are random and never reused, so browsers may cache files for ever.
//!
//! The main cost of an upload is memory. So only a few bodies are held at a time ([`MAX_UPLOADS`]) and one image is decoded
//! at a time, on a thread of its own: the largest takes 256 MiB. Who waits holds at most its own 8 MiB, or nothing yet.

pub mod files;
pub mod storage;

use std::sync::Arc;

use bytes::Bytes;
use images::{EncodedImage, ProcessedImage};
use object_store::{Attribute, Attributes, GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutOptions, path::Path};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use self::storage::Storage;
use crate::thread_pool::{RunError, ThreadPool};

/// How many uploads are in memory at a time. The bodies of others stay unread in their sockets.
pub const MAX_UPLOADS: usize = 2;

/// Why an image was not processed or stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is wrong with it, as the end of a sentence: "is animated".
    #[error("image {0}.")]
    InvalidImage(String),
    #[error("The storage for images is unavailable. Try again.")]
    Unavailable(#[source] object_store::Error),
    #[error(transparent)]
    Thread(#[from] RunError),
}

/// What the functions of this module return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The shop's files, and the limits of uploads. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Media {
    store: Arc<dyn ObjectStore>,
    storage: Storage,
    /// The public address of the folder `/media`.
    base: String,
    permits: Arc<Semaphore>,
    threads: Arc<ThreadPool<()>>,
}

impl Media {
    /// Opens the storage. A bucket is not contacted yet, because it may still be starting.
    ///
    /// # Errors
    /// When the folder cannot be created, or a setting of the bucket is invalid.
    pub fn new(storage: Storage, public_url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            store: storage.open()?,
            storage,
            base: format!("{public_url}/media"),
            permits: Arc::new(Semaphore::new(MAX_UPLOADS)),
            threads: Arc::new(ThreadPool::start("images", 1, MAX_UPLOADS)),
        })
    }

    /// Waits for a permit to hold an upload in memory. Keep it until the upload is dropped.
    ///
    /// # Panics
    /// Never: the semaphore is not closed.
    pub async fn upload_permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Makes the image to store and its thumbnail from an uploaded file, one upload at a time.
    ///
    /// # Errors
    /// [`Error::InvalidImage`] with what is wrong with it.
    pub async fn process(&self, file: Bytes) -> Result<ProcessedImage> {
        let read = match self.threads.run(move |()| images::process(&file)).await {
            Ok(read) => read,
            Err(RunError::Panicked) => {
                tracing::error!("a decoder panicked");
                Err("cannot be read".to_owned())
            }
            // Cannot happen: every caller has an upload permit, and the queue has room for all of them.
            Err(full @ RunError::Full) => return Err(full.into()),
        };
        read.map_err(Error::InvalidImage)
    }

    /// Stores a file.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the folder cannot be written or the bucket does not answer.
    pub async fn put(&self, name: &str, file: EncodedImage) -> Result<()> {
        let mut options = PutOptions::default();
        if matches!(self.storage, Storage::Bucket { .. }) {
            options.attributes = Attributes::from_iter([(Attribute::ContentType, file.format.content_type())]);
        }
        let written = self.store.put_opts(&Path::from(name), file.bytes.into(), options).await;
        written.map(drop).map_err(Error::Unavailable)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// [`object_store::Error::NotModified`] when it still has this tag, `NotFound` when there is no such file, others when
    /// the storage does not answer.
    pub async fn get(&self, name: &str, if_none_match: Option<String>) -> object_store::Result<GetResult> {
        self.store.get_opts(&Path::from(name), GetOptions { if_none_match, ..GetOptions::default() }).await
    }

    /// Deletes a file. A file that is already deleted is no error, because this may run twice.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub async fn delete(&self, name: &str) -> object_store::Result<()> {
        if let Storage::Folder(folder) = &self.storage {
            // What a program leaves that is killed while it writes the file.
            let _ = tokio::fs::remove_file(folder.join(format!("{name}#1"))).await; // rarely exists
        }
        match self.store.delete(&Path::from(name)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            deleted => deleted,
        }
    }

    /// Checks that files can be stored. Returns one line for people.
    ///
    /// # Errors
    /// One line with the cause and what to do.
    pub async fn check_writable(&self) -> Result<String, String> {
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

    /// The public address of a file. An imported address is returned as it is.
    #[must_use]
    pub fn url(&self, file: &str) -> String {
        if file.contains("://") { file.to_owned() } else { format!("{}/{file}", self.base) }
    }
}

/// A new random file name that cannot be guessed, with this extension.
#[must_use]
pub fn new_name(extension: &str) -> String {
    format!("{}.{extension}", Uuid::new_v4().simple())
}
