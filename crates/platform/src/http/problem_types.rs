//! Every problem that any service of this shape can answer with.

use crate::{http::problem::ProblemType, problem_types, validation::FieldError};

/// Those of a single field that clients switch on. The code of the field's error is that of the problem.
pub const SINGLE: &[ProblemType] = &[INVALID_IMAGE, INVALID_ORDERING, WEAK_PASSWORD];

/// An error of a field, for the example of a problem that has some.
#[must_use]
pub fn example_error(kind: &ProblemType) -> Option<FieldError> {
    let (field, message) = match *kind {
        VALIDATION_FAILED => return Some(FieldError::new("items[0].quantity", "minimum", "must be at least 1")),
        INVALID_ORDERING => (
            "ordering",
            "must list at most 4 of price, name, created_at and rating, each optionally prefixed with - for descending",
        ),
        WEAK_PASSWORD => ("password", "is too easy to guess; choose another"),
        INVALID_IMAGE => ("image", "is damaged"),
        _ => return None,
    };
    Some(FieldError::new(field, kind.code, message))
}

problem_types! {
    BAD_REQUEST = 400 "bad_request",
        "The request could not be understood.",
        "Compare the request with the API document and correct it.";
    IDEMPOTENCY_KEY_INVALID = 400 "idempotency_key_invalid",
        "The `Idempotency-Key` is empty, too long or not printable.",
        "Send 1 to 255 printable ASCII characters, for example a UUID.";
    MALFORMED_BODY = 400 "malformed_body",
        "The body is incomplete or is not a well-formed form.",
        "Send it again. Let the browser set the `Content-Type` of a form, because it includes the boundary.";
    MALFORMED_JSON = 400 "malformed_json",
        "The body is not well-formed JSON.",
        "Correct the error that `detail` names. Duplicate keys, more than 64 levels of nesting, and NUL in strings are \
         not allowed either.";
    MALFORMED_REQUEST = 400 "malformed_request",
        "The headers of the request are invalid, e.g. `Host` is missing or given twice.",
        "Send exactly one `Host` header. HTTP clients do so; check the proxies between the client and the shop.";
    TOO_MANY_PARAMETERS = 400 "too_many_parameters",
        "The query has more than 100 parameters, or more than 10 of one name.",
        "Give each parameter once.";
    UNAUTHENTICATED = 401 "unauthenticated",
        "The access token is missing or invalid.",
        "Sign in at `POST /api/auth/login` and send `Authorization: Bearer <access>`.";
    FORBIDDEN = 403 "forbidden",
        "Only an admin can do this, or, for a review, only its author.",
        "Sign in as an admin, or as the review's author.";
    NOT_FOUND = 404 "not_found",
        "Nothing was found at this URL, or the caller is not allowed to see it.",
        "Check the URL and the id in it. Resources of other users look the same as nonexistent ones.";
    METHOD_NOT_ALLOWED = 405 "method_not_allowed",
        "The URL exists but does not support this method.",
        "Use one of the methods in the `Allow` header.";
    NOT_ACCEPTABLE = 406 "not_acceptable",
        "`Accept` has no content type that the shop can return.",
        "Accept `application/json`.";
    REQUEST_TIMEOUT = 408 "request_timeout",
        "The body did not arrive in time, or the client closed its side of the connection and the response took more \
         than a second.",
        "Send the request again.";
    IDEMPOTENCY_IN_PROGRESS = 409 "idempotency_in_progress",
        "The first request with this `Idempotency-Key` is still in progress.",
        "Repeat the same request after `Retry-After` seconds to get the response of the first one.";
    PRECONDITION_FAILED = 412 "precondition_failed",
        "The resource has changed since it was loaded: `If-Match` is not its current `ETag`. Nothing was changed.",
        "Load it again, show the differences, and repeat the request with the new `ETag`.";
    PAYLOAD_TOO_LARGE = 413 "payload_too_large",
        "The body is larger than this shop accepts: 1 MiB, 8 MiB for an image.",
        "Send a smaller body or file.";
    URI_TOO_LONG = 414 "uri_too_long",
        "The URL is longer than 8 KiB.",
        "Shorten the query.";
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported_media_type",
        "The endpoint does not accept the content type of the body.",
        "Send `Content-Type: application/json`, or `multipart/form-data` for an image.";
    IDEMPOTENCY_KEY_REUSED = 422 "idempotency_key_reused",
        "This `Idempotency-Key` was used for a different request.",
        "Use a new key for each operation.";
    INVALID_IMAGE = 422 "invalid_image",
        "The file is not a valid image: it is not a JPEG, PNG or WebP file, or it is damaged, animated, or larger than \
         8,000 x 8,000 pixels.",
        "`detail` says what is wrong. Save the image again, without animation and smaller if necessary, and upload \
         that.";
    INVALID_ORDERING = 422 "invalid_ordering",
        "`ordering` has a field that the list cannot be sorted by.",
        "Use the fields named in `errors`, prefixed with `-` for descending.";
    VALIDATION_FAILED = 422 "validation_failed",
        "Some fields are missing or invalid.",
        "`errors` lists each field and what is wrong with it. Show each message next to its field.";
    WEAK_PASSWORD = 422 "weak_password",
        "The password is too short, too long, too easy to guess, or the e-mail address.",
        "Let the user choose another password of 8 to 128 characters.";
    RATE_LIMITED = 429 "rate_limited",
        "Too many requests of this kind.",
        "Wait for `Retry-After` seconds. Until then, even the right password is rejected.";
    HEADERS_TOO_LARGE = 431 "headers_too_large",
        "The headers are larger than 16 KiB.",
        "Send fewer or shorter headers, for example fewer cookies.";
    INTERNAL_ERROR = 500 "internal_error",
        "An internal error occurred.",
        "Try again, with the same `Idempotency-Key` if you sent one. If the error persists, report the `request_id`.";
    MEDIA_UNAVAILABLE = 503 "media_unavailable",
        "The storage for images is unavailable. Nothing was changed.",
        "Try again after `Retry-After` seconds.";
    OUTCOME_UNKNOWN = 503 "outcome_unknown",
        "The connection to the database was lost before the outcome was known: the request may or may not have been \
         carried out.",
        "After `Retry-After` seconds, repeat the request with the same `Idempotency-Key`: the order, payment or refund \
         is created only once, however often you repeat it. Without a key, first check whether it was carried out, \
         e.g. with `GET /api/orders` or `GET /api/payments?order=`. PUT and DELETE requests can always be repeated.";
    OVERLOADED = 503 "overloaded",
        "The database is unavailable or busy. Nothing was changed.",
        "Try again after `Retry-After` seconds.";
}
