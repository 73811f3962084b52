//! Passwords: argon2id (19 MiB, two passes: OWASP's minimum and the crate's default) on as many threads as there are
//! cores, so that a burst of sign-ins cannot starve the rest of the shop.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use crate::http::problem::{ApiResult, Problem};

/// How many may wait for a core before the next is told to come back.
const QUEUE: usize = 64;

/// Verified against when there is no such user, so that this takes as long as a wrong password. It has the form of all
/// others and is no password's; written out, so that not even the first to be verified takes longer.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCAxNg$CWb7/x2T+PNYqBFEf/Lm+B3ZMcAtdr8v8llMP5XRMsI";

/// The bounded pool that hashes. Cloning is cheap.
#[derive(Clone)]
pub struct Passwords {
    cores: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Passwords {
    #[must_use]
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { cores: Arc::new(Semaphore::new(cores)), queue: Arc::new(Semaphore::new(QUEUE)) }
    }

    /// # Errors
    /// 503 when too many are waiting already.
    pub async fn hash(&self, password: String) -> ApiResult<String> {
        self.run(move || hash(&password)).await?.map_err(Problem::internal)
    }

    /// Whether `password` is the one `known` was made from; with nothing known it is not, after the same time.
    ///
    /// # Errors
    /// 503 when too many are waiting already.
    pub async fn verify(&self, password: String, known: Option<String>) -> ApiResult<bool> {
        self.run(move || {
            let hash = known.as_deref().unwrap_or(NOBODYS);
            let matches = PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
            matches && known.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> ApiResult<T> {
        let full = || Problem::unavailable("overloaded", "Too many people are signing in at this moment; try again.");
        let _queued = self.queue.try_acquire().map_err(|_| full())?;
        let _core = self.cores.acquire().await.map_err(Problem::internal)?;
        tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
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
        let (nobodys, somebodys) = (PasswordHash::new(NOBODYS).unwrap(), hash("correct horse battery").unwrap());
        let somebodys = PasswordHash::new(&somebodys).unwrap();
        assert_eq!((nobodys.algorithm, nobodys.version), (somebodys.algorithm, somebodys.version));
        assert_eq!(nobodys.params, somebodys.params);
        let length = |hash: &PasswordHash| (hash.salt.as_ref().unwrap().len(), hash.hash.as_ref().unwrap().len());
        assert_eq!(length(&nobodys), length(&somebodys));
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
