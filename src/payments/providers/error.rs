//! Why a provider did not do what it was asked, and why a webhook is not accepted.

/// Why a request to a provider failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It may have been done or not. Trying again with the same key is safe.
    #[error("the provider could not be reached or did not answer ({0})")]
    Indeterminate(String),
    /// The provider had an error, and may repeat this response for the same key.
    #[error("the provider reported an internal error ({0})")]
    Server(String),
    /// The request is invalid or declined; trying again changes nothing.
    #[error("the provider rejected the request ({0})")]
    Rejected(String),
}

pub type ProviderResult<T> = Result<T, ProviderError>;

/// Why a webhook is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    #[error("The signature does not match the body, the secret or the time. The event was not stored.")]
    InvalidSignature,
    /// The missing setting.
    #[error("{0} is not set, so the shop cannot verify events.")]
    NotConfigured(&'static str),
    /// The provider has to verify it and cannot be reached; it is expected to send the event again.
    #[error("The provider could not be reached to verify the signature. Send the event again.")]
    Unavailable,
}
