//! The key that signs access tokens.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use platform::settings::{Checked, invalid, secret};
use secrecy::{ExposeSecret, SecretString};

/// The setting, or else a key in a file of this folder, which is created once so that sign-ins survive a restart.
pub fn jwt_secret(keep_in: Option<&PathBuf>) -> Checked<SecretString> {
    const ACCEPTED: &str =
        "write at least 32 random bytes, e.g. from `openssl rand -base64 48`, the same for every process";
    match (secret("JWT_SECRET"), keep_in) {
        (Some(given), _) if given.expose_secret().len() >= 32 => Ok(given),
        (Some(_), _) => Err(invalid("JWT_SECRET", "(too short)", ACCEPTED)),
        (None, None) => Err(invalid("JWT_SECRET", "(unset)", ACCEPTED)),
        (None, Some(folder)) => {
            let file = folder.join("jwt_secret");
            stored_secret(&file).map_err(|error| {
                invalid("DATA_DIR", folder.display(), format!("{} cannot be used ({error})", file.display()))
            })
        }
    }
}

fn stored_secret(file: &Path) -> std::io::Result<SecretString> {
    if !file.exists() {
        // Written to a draft and linked, so that two programs that start together use the same.
        let draft = file.with_extension(uuid::Uuid::new_v4().to_string());
        let made = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
            .map(|part| part.simple().to_string())
            .concat();
        let mut new = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        new.write_all(made.as_bytes())?;
        new.sync_all()?;
        let _ = fs::hard_link(&draft, file); // another program was first: its key is used
        fs::remove_file(&draft)?;
    }
    let secret = fs::read_to_string(file)?;
    match secret.len() {
        32.. => Ok(secret.into()),
        _ => Err(std::io::Error::other(
            "it has less than 32 bytes; delete it, after which all users have to sign in again",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_an_empty_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwt_secret");
        let made = stored_secret(&file).unwrap();
        assert!(made.expose_secret().len() >= 32);
        assert_eq!(made.expose_secret(), stored_secret(&file).unwrap().expose_secret());
        fs::write(&file, "").unwrap();
        assert!(stored_secret(&file).is_err());
    }
}
