//! The catalog's background work.

use platform::jobs::{Job, JobError};
use serde::{Deserialize, Serialize};

use super::images::{self, StoredImage};
use crate::shop::{Queue, Shop};

/// Deletes the files of images to which no row refers. It checks that again, so it may run twice, late, or without effect.
#[derive(Serialize, Deserialize)]
pub struct DeleteImages {
    #[serde(rename = "pictures")] // its name in stored jobs
    pub images: Vec<StoredImage>,
}

impl Job for DeleteImages {
    // An earlier name of this job, which stored rows contain.
    const NAME: &'static str = "catalog.delete_pictures";
    const QUEUE: &'static str = Queue::Stock.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        for image in &self.images {
            images::delete_unless_shown(shop, image).await.map_err(|error| JobError::Retry(error.to_string()))?;
        }
        Ok(())
    }
}
