//! Where files are stored: in a folder, or in a bucket of S3 or a compatible service.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use object_store::{
    ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    local::LocalFileSystem,
    path::Path,
    prefix::PrefixStore,
};

/// A folder, or a prefix in a bucket.
#[derive(Clone, Debug)]
pub enum Storage {
    Folder(PathBuf),
    Bucket { bucket: String, prefix: String, access: Access },
}

/// The endpoint and the keys of S3.
#[derive(Clone)]
pub struct Access(Box<AmazonS3Builder>);

impl Access {
    /// The usual `AWS_…` variables; empty ones are ignored.
    fn from_env() -> Self {
        let variables = std::env::vars().filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty());
        Self::new(variables.fold(AmazonS3Builder::new(), |account, (name, value)| {
            match name.to_ascii_lowercase().parse() {
                Ok(key) => account.with_config(key, value),
                Err(_) => account, // no setting of a bucket
            }
        }))
    }

    /// Whether the endpoint uses TLS or `AWS_ALLOW_HTTP` is set. It would be refused later otherwise, with a less clear
    /// message.
    fn uses_tls_or_allows_http(&self) -> bool {
        let value = |key| self.0.get_config_value(&key).unwrap_or_default();
        !value(AmazonS3ConfigKey::Endpoint).starts_with("http://")
            || value(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp)) == "true"
    }

    /// The access that a builder describes.
    #[must_use]
    pub fn new(account: AmazonS3Builder) -> Self {
        Self(Box::new(account))
    }
}

/// Hides the keys.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access(…)")
    }
}

impl Storage {
    /// Parses `file://FOLDER` or `s3://BUCKET/PREFIX`, whose prefix is optional; `None` for other URLs.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        if let Some(folder) = url.strip_prefix("file://") {
            return (!folder.is_empty()).then(|| Self::Folder(folder.into()));
        }
        let (bucket, prefix) = url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
        let named =
            bucket.len() >= 3 && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        let prefix = Path::parse(prefix.trim_end_matches('/')).ok()?.to_string();
        named.then(|| Self::Bucket { bucket: bucket.to_owned(), prefix, access: Access::from_env() })
    }

    /// Creates the folder if it is missing, or prepares the client of the bucket.
    ///
    /// # Errors
    /// When the folder cannot be created, or an `AWS_…` variable is invalid.
    pub fn open(&self) -> anyhow::Result<Arc<dyn ObjectStore>> {
        match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder).context("the folder cannot be made")?;
                Ok(Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true)))
            }
            Self::Bucket { bucket, prefix, access } => {
                ensure!(access.uses_tls_or_allows_http(), "for a bucket over http:// set AWS_ALLOW_HTTP=true");
                let store = with_timeouts((*access.0).clone()).with_bucket_name(bucket).build()?;
                Ok(Arc::new(PrefixStore::new(store, prefix.as_str())))
            }
        }
    }

    /// What to do when it is not writable.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Folder(_) => "give this user the right to, or name another folder",
            Self::Bucket { .. } => {
                "check that the bucket exists and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"
            }
        }
    }
}

/// People wait for S3: 5 s to connect, 15 s for a response or for more of it, and two retries.
fn with_timeouts(account: AmazonS3Builder) -> AmazonS3Builder {
    let limits = [
        (ClientConfigKey::ConnectTimeout, "5s"),
        (ClientConfigKey::ReadTimeout, "15s"),
        // A slow browser may take long to receive a file.
        (ClientConfigKey::Timeout, "10m"),
    ];
    let retries = RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(10), ..RetryConfig::default() };
    limits
        .into_iter()
        .fold(account, |account, (key, limit)| account.with_config(AmazonS3ConfigKey::Client(key), limit))
        .with_retry(retries)
        // Not every S3-compatible service supports bulk deletes.
        .with_disable_bulk_delete(true)
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Bucket { bucket, prefix, .. } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix, .. } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Storage;

    #[test]
    fn a_storage_is_a_folder_or_a_bucket() {
        let read = |url| Storage::parse(url).map(|storage| storage.to_string());
        assert_eq!(read("file:///srv/media").as_deref(), Some("/srv/media"));
        assert_eq!(read("s3://shop-media").as_deref(), Some("s3://shop-media"));
        assert_eq!(read("s3://shop-media/a/b/").as_deref(), Some("s3://shop-media/a/b"));
        for refused in
            ["", "/srv/media", "file://", "s3://", "s3://b", "s3://shop media", "s3://shop/../x", "https://shop"]
        {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
