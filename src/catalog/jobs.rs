//! The catalog's background work.

use serde::{Deserialize, Serialize};

use super::images::{self, Kept};
use crate::{
    jobs::{Job, JobError, Queue},
    shop::Shop,
};

/// Deletes the files of pictures that nothing shows. Each is asked about anew, so it may run twice, late, or for nothing.
#[derive(Serialize, Deserialize)]
pub struct DeletePictures {
    pub pictures: Vec<Kept>,
}

impl Job for DeletePictures {
    const NAME: &'static str = "catalog.delete_pictures";
    const QUEUE: Queue = Queue::Stock;

    async fn run(self, shop: &Shop) -> Result<(), JobError> {
        for kept in &self.pictures {
            images::delete_unless_shown(shop, kept).await.map_err(|error| JobError::Retry(error.to_string()))?;
        }
        Ok(())
    }
}
