//! Where the stories keep their files.

use std::{env, path::PathBuf, process::Command, sync::OnceLock};

use tempfile::TempDir;

const IN_MEMORY: &str = "/dev/shm";
/// Far more than the stories that run at a time need. Many containers have only 64.
const ENOUGH_MIB: u64 = 1024;

/// A new folder, deleted when it is dropped. It is in memory where there is room, because SQLite waits for the disk at
/// each commit.
pub fn folder() -> TempDir {
    static PARENT: OnceLock<PathBuf> = OnceLock::new();
    let parent = PARENT.get_or_init(|| {
        let has_room = free_mib(IN_MEMORY).is_some_and(|free| free >= ENOUGH_MIB);
        if has_room { PathBuf::from(IN_MEMORY) } else { env::temp_dir() }
    });
    tempfile::Builder::new().prefix("cartwright-story-").tempdir_in(parent).expect("a folder for the story")
}

fn free_mib(path: &str) -> Option<u64> {
    let output = Command::new("df").args(["--output=avail", "--block-size=1M", path]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.lines().next_back()?.trim().parse().ok()
}
