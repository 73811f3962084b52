//! The two tokens of a session. The access token is a JWT (HS256, RFC 9068's `at+jwt`); the refresh token is 256 random
//! bits.
//!
//! jsonwebtoken 11 checks `aud` and `iss` only when they are there and skips `nbf`, so all claims are required, the
//! algorithm is fixed, and the times are checked here, against the shop's clock.

use std::time::Duration;

use argon2::Params;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use platform::clock::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Error, Result};
use crate::shop::ids::{SessionId, UserId};

const ISSUER: &str = "cartwright";
const AUDIENCE: &str = "cartwright-api";
const TYPE: &str = "at+jwt";
/// How far two clocks may differ, in seconds.
const LEEWAY: i64 = 60;

#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    access_ttl: Duration,
    pub refresh_ttl: Duration,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: SessionId,
    /// Random, so that no two tokens are the same, not even of one session in one second.
    jti: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// 256 random bits, as text for the client and as a hash for the database: a refresh token, or the secret of a link in an
/// e-mail.
pub struct Secret {
    pub text: String,
    pub hash: Vec<u8>,
}

impl Secret {
    #[must_use]
    pub fn random() -> Self {
        let random: [u128; 2] = rand::random();
        let text = format!("{:032x}{:032x}", random[0], random[1]);
        let hash = Self::hash_of(&text);
        Self { text, hash }
    }

    /// SHA-256 without salt: 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash_of(text: &str) -> Vec<u8> {
        Sha256::digest(text.as_bytes()).to_vec()
    }
}

/// The settings of accounts.
#[derive(Clone, Debug)]
pub struct Settings {
    pub jwt_secret: SecretString,
    pub access_token_ttl: Duration,
    pub refresh_token_ttl: Duration,
    /// What hashing a password costs. No setting of a program; tests use a lower cost.
    pub password_cost: Params,
}

impl Tokens {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let secret = settings.jwt_secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            access_ttl: settings.access_token_ttl,
            refresh_ttl: settings.refresh_token_ttl,
        }
    }

    /// How long an access token is valid, in seconds.
    #[must_use]
    pub fn access_lifetime(&self) -> u64 {
        self.access_ttl.as_secs()
    }

    /// A new access token for a session.
    ///
    /// # Errors
    /// [`Error::Internal`] when the crypto library fails.
    pub fn access(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<String> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_string(),
            sid: session,
            jti: Uuid::new_v4(),
            iat: now.unix_seconds(),
            nbf: now.unix_seconds(),
            exp: (now + self.access_ttl).unix_seconds(),
        };
        let header = Header { typ: Some(TYPE.to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, &claims, &self.encoding).map_err(|error| Error::Internal(error.into()))
    }

    /// The session an access token belongs to.
    ///
    /// # Errors
    /// [`Error::AccessTokenExpired`] for a token of ours that is too old, else [`Error::InvalidAccessToken`].
    pub fn session(&self, token: &str, now: Timestamp) -> Result<SessionId> {
        let decoded = decode::<Claims>(token, &self.decoding, &self.validation);
        let decoded = decoded.map_err(|_| Error::InvalidAccessToken)?;
        let (claims, now) = (decoded.claims, now.unix_seconds());
        if decoded.header.typ.as_deref() != Some(TYPE) || claims.nbf > now.saturating_add(LEEWAY) {
            return Err(Error::InvalidAccessToken);
        }
        if claims.exp.saturating_add(LEEWAY) < now {
            return Err(Error::AccessTokenExpired);
        }
        Ok(claims.sid)
    }
}
