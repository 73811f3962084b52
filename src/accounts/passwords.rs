//! Passwords: argon2id (19 MiB, two passes: OWASP's minimum and the crate's default) on threads of their own, as many as
//! there are cores, so that a burst of sign-ins cannot starve the rest of the shop.
//!
//! Each thread hashes in one block of memory that it makes for its first password and keeps. So sign-ins never hold more
//! than those blocks, whatever allocator there is: 19 MiB that are freed and taken again, by another thread each time,
//! are more than glibc gives back.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        self,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};
use platform::thread_pool::{NotDone, ThreadPool};

use super::{Error, Result};

/// How many may wait for a core before the next is told to come back.
const QUEUE: usize = 64;

/// Verified against when there is no such user, so that this takes as long as a wrong password. It has the form of all
/// others and is no password's; written out, so that not even the first to be verified takes longer.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCAxNg$CWb7/x2T+PNYqBFEf/Lm+B3ZMcAtdr8v8llMP5XRMsI";

/// Hashes and verifies. Cloning is cheap.
#[derive(Clone)]
pub struct Passwords(Arc<ThreadPool<Memory>>);

impl Passwords {
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(ThreadPool::on_all_cores("passwords", QUEUE)))
    }

    /// # Errors
    /// When too many are waiting already.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move |memory| hash(&password, memory)).await?.map_err(|error| Error::Internal(error.into()))
    }

    /// Whether `password` is the one `known` was made from; with nothing known it is not, after the same time.
    ///
    /// # Errors
    /// When too many are waiting already.
    pub async fn verify(&self, password: String, known: Option<String>) -> Result<bool> {
        self.run(move |memory| {
            let hash = known.as_deref().unwrap_or(NOBODYS);
            let matches = verify(&password, hash, memory).unwrap_or(false); // what is no hash is nobody's
            matches && known.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T> {
        self.0.run(work).await.map_err(|not_done| match not_done {
            NotDone::Full => Error::TooManySignIns,
            NotDone::Panicked => Error::Internal(not_done.into()),
        })
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn hash(password: &str, memory: &mut Memory) -> password_hash::Result<String> {
    let argon2 = Argon2::default();
    let salt = Salt::generate();
    let output = memory.hash(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN)?;
    let hash = PasswordHash {
        algorithm: Algorithm::default().ident(),
        version: Some(Version::default().into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// By the parameters of the hash, which an earlier version may have chosen differently.
fn verify(password: &str, hash: &str, memory: &mut Memory) -> password_hash::Result<bool> {
    let hash = PasswordHash::new(hash)?;
    let (Some(salt), Some(known)) = (&hash.salt, &hash.hash) else { return Ok(false) };
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(Algorithm::try_from(hash.algorithm.as_str())?, version, Params::try_from(&hash)?);
    let output = memory.hash(&argon2, password, salt, known.len())?;
    Ok(output == *known) // in constant time
}

/// What one thread hashes in.
#[derive(Debug, Default)]
struct Memory(Vec<Block>);

impl Memory {
    fn hash(&mut self, argon2: &Argon2, password: &str, salt: &Salt, length: usize) -> password_hash::Result<Output> {
        let needed = argon2.params().block_count();
        if self.0.len() < needed {
            self.0.resize(needed, Block::new());
        }
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..length];
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut self.0)?;
        Ok(Output::new(output)?)
    }
}

/// Why a password is too weak, if it is.
pub fn weakness(password: &str, email: &str) -> Option<&'static str> {
    let length = password.chars().count();
    let lower = password.to_lowercase();
    if !(8..=128).contains(&length) {
        Some("must have 8 to 128 characters")
    } else if lower == email.to_lowercase() {
        Some("must not be your e-mail address")
    } else if COMMON.contains(&lower.as_str()) {
        Some("is one of the most common passwords; choose another")
    } else {
        None
    }
}

/// Passwords of eight characters and more that every guessing program tries first.
const COMMON: &[&str] = &[
    "00000000",
    "11111111",
    "111111111",
    "12121212",
    "123123123",
    "12341234",
    "12344321",
    "12345678",
    "123456789",
    "1234567890",
    "12345678910",
    "123456789a",
    "1234qwer",
    "123abc123",
    "147258369",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "20202020",
    "22222222",
    "55555555",
    "66666666",
    "77777777",
    "87654321",
    "88888888",
    "987654321",
    "99999999",
    "a1234567",
    "a12345678",
    "aa123456",
    "abc12345",
    "abcd1234",
    "abcdefgh",
    "access14",
    "admin123",
    "admin1234",
    "administrator",
    "asdfasdf",
    "asdfghjk",
    "asdfghjkl",
    "babygirl",
    "baseball",
    "basketball",
    "blink182",
    "butterfly",
    "changeme",
    "charlie1",
    "chocolate",
    "computer",
    "corvette",
    "dragon12",
    "elephant",
    "facebook",
    "football",
    "football1",
    "hello123",
    "hellohello",
    "hunter22",
    "iloveyou",
    "iloveyou1",
    "internet",
    "jennifer",
    "jordan23",
    "letmein1",
    "letmein123",
    "liverpool",
    "login123",
    "master123",
    "michelle",
    "midnight",
    "monkey123",
    "mustang1",
    "nicholas",
    "p@ssw0rd",
    "p@ssword",
    "passw0rd",
    "password",
    "password!",
    "password1",
    "password1!",
    "password12",
    "password123",
    "password1234",
    "pokemon1",
    "princess",
    "princess1",
    "q1w2e3r4",
    "qazwsxedc",
    "qwer1234",
    "qwerasdf",
    "qwerty12",
    "qwerty123",
    "qwerty1234",
    "qwertyui",
    "qwertyuiop",
    "rockyou1",
    "samantha",
    "sandiego",
    "secret123",
    "starwars",
    "sunshine",
    "sunshine1",
    "superman",
    "superman1",
    "test1234",
    "trustno1",
    "victoria",
    "welcome1",
    "welcome123",
    "whatever",
    "zaq12wsx",
    "zxcvbnm1",
    "zxcvbnm123",
];

#[cfg(test)]
mod tests {
    use argon2::PasswordHasher;

    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse battery".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse battery".to_owned(), None).await.unwrap());
    }

    #[test]
    fn nobodys_hash_costs_what_everybodys_does() {
        let somebodys = hash("correct horse battery", &mut Memory::default()).unwrap();
        let nobodys = PasswordHash::new(NOBODYS).unwrap();
        let somebodys = PasswordHash::new(&somebodys).unwrap();
        assert_eq!((nobodys.algorithm, nobodys.version), (somebodys.algorithm, somebodys.version));
        assert_eq!(nobodys.params, somebodys.params);
        let length = |hash: &PasswordHash| (hash.salt.as_ref().unwrap().len(), hash.hash.as_ref().unwrap().len());
        assert_eq!(length(&nobodys), length(&somebodys));
    }

    #[test]
    fn a_thread_hashes_in_the_same_memory_again_and_again() {
        let mut memory = Memory::default();
        let hashes = [(); 3].map(|()| hash("correct horse battery", &mut memory).unwrap());
        let block = memory.0.as_ptr_range();
        assert_eq!(memory.0.len() * Block::SIZE, 19 << 20);
        for known in &hashes {
            assert!(verify("correct horse battery", known, &mut memory).unwrap());
            assert!(!verify("correct horse", known, &mut memory).unwrap());
        }
        assert_eq!(memory.0.as_ptr_range(), block);
    }

    #[test]
    fn what_was_hashed_with_other_parameters_is_verified_with_them() {
        let mut memory = Memory::default();
        for (algorithm, version, params) in [
            (Algorithm::Argon2id, Version::V0x13, Params::new(8 << 10, 3, 1, None)), // less than ours
            (Algorithm::Argon2id, Version::V0x13, Params::new(24 << 10, 1, 4, Some(64))), // more
            (Algorithm::Argon2i, Version::V0x10, Params::new(64, 1, 1, Some(16))),
            (Algorithm::Argon2d, Version::V0x13, Params::new(19 << 10, 2, 1, None)),
        ] {
            let argon2 = Argon2::new(algorithm, version, params.unwrap());
            let known = argon2.hash_password(b"correct horse battery").unwrap().to_string();
            assert!(verify("correct horse battery", &known, &mut memory).unwrap(), "{known}");
            assert!(!verify("correct horse", &known, &mut memory).unwrap(), "{known}");
        }
        for nonsense in
            ["", "correct horse battery", "$argon2id$v=19$m=19456,t=2,p=1", "$scrypt$ln=17$c2FsdHNhbHQ$aGFzaGhhc2g"]
        {
            assert!(!verify("correct horse battery", nonsense, &mut memory).unwrap_or(false), "{nonsense}");
        }
    }

    #[test]
    fn weak_passwords_are_told_why() {
        assert_eq!(weakness("short", "a@b.c"), Some("must have 8 to 128 characters"));
        assert!(weakness("Password123", "a@b.c").is_some());
        assert!(weakness("Ada@Example.com", "ada@example.com").is_some());
        assert_eq!(weakness("testpassword", "a@b.c"), None);
        assert!(COMMON.is_sorted());
    }
}
