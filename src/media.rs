//! Product images: files in one folder, served under `/media/`.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Where the shop keeps its files. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Media {
    folder: PathBuf,
    /// What an address of a file starts with.
    base: String,
}

impl Media {
    #[must_use]
    pub fn new(folder: PathBuf, public_url: &str) -> Self {
        Self { folder, base: format!("{public_url}/media") }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps a file under a name of ours, which is never a client's.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        tokio::fs::create_dir_all(&self.folder).await?;
        let draft = self.folder.join(format!("{name}.part"));
        tokio::fs::write(&draft, bytes).await?;
        tokio::fs::rename(draft, self.folder.join(name)).await
    }

    /// The address a browser loads a file from; an address from an import is one already.
    #[must_use]
    pub fn url(&self, file: &str) -> String {
        if file.contains("://") { file.to_owned() } else { format!("{}/{file}", self.base) }
    }
}
