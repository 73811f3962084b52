//! Passwords: argon2id (19 MiB, two passes: OWASP's minimum and the crate's default) on dedicated threads, one per core, so
//! that a burst of sign-ins cannot starve other requests.
//!
//! Each thread hashes in one block of memory that it allocates for its first password and keeps. So sign-ins never use more
//! than those blocks: glibc does not return 19 MiB blocks that different threads allocate and free.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        self,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};
use platform::thread_pool::{RunError, ThreadPool};
use zxcvbn::zxcvbn;

use super::{Error, Result};

/// How many may wait for a thread before further requests are refused.
const QUEUE: usize = 64;

/// Verified against when there is no such user, so that this takes as long as a wrong password. It has the parameters of
/// other hashes and matches no password; a constant, so that not even the first verification takes longer.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCAxNg$CWb7/x2T+PNYqBFEf/Lm+B3ZMcAtdr8v8llMP5XRMsI";

/// Hashes and verifies. Cloning is cheap.
#[derive(Clone)]
pub struct Passwords {
    /// Of new hashes. A hash that is verified has its own parameters.
    cost: Params,
    threads: Arc<ThreadPool<Memory>>,
}

impl Passwords {
    #[must_use]
    pub fn new(cost: Params) -> Self {
        Self { cost, threads: Arc::new(ThreadPool::on_all_cores("passwords", QUEUE)) }
    }

    /// # Errors
    /// [`Error::TooManySignIns`] when too many are waiting already.
    pub async fn hash(&self, password: String) -> Result<String> {
        let cost = self.cost.clone();
        self.run(move |memory| hash(&password, cost, memory)).await?.map_err(|error| Error::Internal(error.into()))
    }

    /// Whether `known` is the hash of `password`. Without `known` the answer is `false`, after the same time.
    ///
    /// # Errors
    /// [`Error::TooManySignIns`] when too many are waiting already.
    pub async fn verify(&self, password: String, known: Option<String>) -> Result<bool> {
        self.run(move |memory| {
            let hash = known.as_deref().unwrap_or(DUMMY_HASH);
            let matches = verify(&password, hash, memory).unwrap_or(false); // a malformed hash matches nothing
            matches && known.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T> {
        self.threads.run(work).await.map_err(|error| match error {
            RunError::Full => Error::TooManySignIns,
            RunError::Panicked => Error::Internal(error.into()),
        })
    }
}

fn hash(password: &str, cost: Params, memory: &mut Memory) -> password_hash::Result<String> {
    let argon2 = Argon2::new(Algorithm::default(), Version::default(), cost);
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

/// With the parameters of the hash, which an earlier version may have chosen differently.
fn verify(password: &str, hash: &str, memory: &mut Memory) -> password_hash::Result<bool> {
    let hash = PasswordHash::new(hash)?;
    let (Some(salt), Some(known)) = (&hash.salt, &hash.hash) else { return Ok(false) };
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(Algorithm::try_from(hash.algorithm.as_str())?, version, Params::try_from(&hash)?);
    let output = memory.hash(&argon2, password, salt, known.len())?;
    Ok(output == *known) // in constant time
}

/// The memory that one thread hashes in.
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

/// A password that zxcvbn estimates to be found in fewer guesses is refused.
const MIN_GUESSES: u64 = 10_000;

/// Why a password is too weak, if it is.
pub fn weakness(password: &str, email: &str) -> Option<&'static str> {
    let length = password.chars().count();
    if !(8..=128).contains(&length) {
        Some("must have 8 to 128 characters")
    } else if password.to_lowercase() == email.to_lowercase() {
        Some("must not be your e-mail address")
    } else if zxcvbn(password, &[email]).guesses() < MIN_GUESSES {
        Some("is too easy to guess; choose another")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordHasher;

    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let passwords = Passwords::new(Params::default());
        let hash = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse battery".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse battery".to_owned(), None).await.unwrap());
    }

    #[test]
    fn the_dummy_hash_costs_as_much_as_a_real_one() {
        let real = hash("correct horse battery", Params::default(), &mut Memory::default()).unwrap();
        let dummy = PasswordHash::new(DUMMY_HASH).unwrap();
        let real = PasswordHash::new(&real).unwrap();
        assert_eq!((dummy.algorithm, dummy.version), (real.algorithm, real.version));
        assert_eq!(dummy.params, real.params);
        let length = |hash: &PasswordHash| (hash.salt.as_ref().unwrap().len(), hash.hash.as_ref().unwrap().len());
        assert_eq!(length(&dummy), length(&real));
    }

    #[test]
    fn a_thread_hashes_in_the_same_memory_again_and_again() {
        let mut memory = Memory::default();
        let hashes = [(); 3].map(|()| hash("correct horse battery", Params::default(), &mut memory).unwrap());
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
        assert_eq!(weakness("Ada@Example.com", "ada@example.com"), Some("must not be your e-mail address"));
        for guessed in
            ["Password123", "12345678", "qwertyuiop", "aaaaaaaaaa", "abcdefgh", "P@ssw0rd", "1q2w3e4r", "football"]
        {
            assert_eq!(weakness(guessed, "a@b.c"), Some("is too easy to guess; choose another"), "{guessed}");
        }
        for sensible in ["testpassword", "demo-admin-1", "a long password", "correct horse battery staple"] {
            assert_eq!(weakness(sensible, "a@b.c"), None, "{sensible}");
        }
    }
}
