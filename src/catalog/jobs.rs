//! The catalog's background work.

use platform::jobs::{Job, JobError};
use serde::{Deserialize, Serialize};

use super::images::{self, Kept};
use crate::shop::{Queue, Shop};

/// Deletes the files of pictures that nothing shows. Each is asked about anew, so it may run twice, late, or for nothing.
#[derive(Serialize, Deserialize)]
pub struct DeletePictures {
    pub pictures: Vec<Kept>,
}

impl Job for DeletePictures {
    const NAME: &'static str = "catalog.delete_pictures";
    const QUEUE: &'static str = Queue::Stock.as_str();
    type Context = Shop;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        for kept in &self.pictures {
            images::delete_unless_shown(shop, kept).await.map_err(|error| JobError::Retry(error.to_string()))?;
        }
        Ok(())
    }
}
