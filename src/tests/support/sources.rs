//! The sources of the program, for tests of what no compiler checks.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The shop and the platform, without their tests: each file with its text.
pub fn all() -> Vec<(PathBuf, String)> {
    ["src", "crates/platform/src"].into_iter().flat_map(of).collect()
}

/// Every source in a folder of the repository, without its tests.
pub fn of(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    read(&root().join(folder), &mut found);
    found
}

fn read(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("tests") {
            read(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            found.push((path, text));
        }
    }
}
