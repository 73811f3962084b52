//! Every problem that any service of this shape can answer with.

use crate::{http::problem::ProblemType, problem_types, validation::FieldError};

/// Those of a single field that clients switch on. The code of the field's error is that of the problem.
pub const SINGLE: [ProblemType; 3] = [INVALID_IMAGE, INVALID_ORDERING, WEAK_PASSWORD];

/// An error of a field, for the example of a problem that has some.
#[must_use]
pub fn example_error(kind: &ProblemType) -> Option<FieldError> {
    let (field, message) = match *kind {
        VALIDATION_FAILED => return Some(FieldError::new("items[0].quantity", "minimum", "must be at least 1")),
        INVALID_ORDERING => ("ordering", "takes price, name, created_at and rating"),
        WEAK_PASSWORD => ("password", "is too easy to guess; choose another"),
        INVALID_IMAGE => ("image", "is damaged"),
        _ => return None,
    };
    Some(FieldError::new(field, kind.code, message))
}

problem_types! {
    BAD_REQUEST = 400 "bad_request",
        "The request could not be understood.",
        "Compare it with the API document and send it again.";
    IDEMPOTENCY_KEY_INVALID = 400 "idempotency_key_invalid",
        "The `Idempotency-Key` is empty, too long or not printable.",
        "Send 1 to 255 printable ASCII characters; a UUID is a good key.";
    MALFORMED_BODY = 400 "malformed_body",
        "The body broke off before its end, or is no well-formed form.",
        "Send it again. Let the browser write a form's `Content-Type`: it knows the boundary.";
    MALFORMED_JSON = 400 "malformed_json",
        "The body is not well-formed JSON.",
        "Mend what `detail` names. A key given twice, nesting beyond 64 levels and NUL in text are refused too.";
    MALFORMED_REQUEST = 400 "malformed_request",
        "The head of the request is not in order, e.g. it names no host or two.",
        "Send exactly one `Host` header. Every HTTP client does; look at what stands between it and the shop.";
    TOO_MANY_PARAMETERS = 400 "too_many_parameters",
        "The query has more than 100 parameters, or more than 10 of one name.",
        "Give each parameter once.";
    UNAUTHENTICATED = 401 "unauthenticated",
        "There is no token, or one that this shop did not make.",
        "Sign in at `POST /api/auth/login` and send `Authorization: Bearer <access>`.";
    FORBIDDEN = 403 "forbidden",
        "You are signed in, but only an admin may do this; or, with a review, only who wrote it.",
        "Sign in as an admin, or as the review's author.";
    NOT_FOUND = 404 "not_found",
        "There is nothing at this address that you may see.",
        "Check the address and the id in it. What belongs to somebody else looks the same as what does not exist.";
    METHOD_NOT_ALLOWED = 405 "method_not_allowed",
        "The address exists and takes other methods.",
        "Use one that the `Allow` header names.";
    NOT_ACCEPTABLE = 406 "not_acceptable",
        "`Accept` names only types that this shop does not answer with.",
        "Accept `application/json`.";
    REQUEST_TIMEOUT = 408 "request_timeout",
        "The body stopped arriving, or the client closed its half of the connection and the answer took more than a \
         second.",
        "Send the request again.";
    IDEMPOTENCY_IN_PROGRESS = 409 "idempotency_in_progress",
        "The first request with this `Idempotency-Key` is still under way.",
        "Repeat the same request after `Retry-After` seconds; you will get the first one's answer.";
    PRECONDITION_FAILED = 412 "precondition_failed",
        "It was changed since it was loaded: the `If-Match` is not its `ETag`. Nothing was done.",
        "Load it again, show what is different now, and send the change with the new `ETag`.";
    PAYLOAD_TOO_LARGE = 413 "payload_too_large",
        "The body is larger than this shop accepts: 1 MiB, 8 MiB for an image.",
        "Send less.";
    URI_TOO_LONG = 414 "uri_too_long",
        "The address is longer than 8 KiB.",
        "Shorten the query.";
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported_media_type",
        "The body is of another type than this address takes.",
        "Send `Content-Type: application/json`, or `multipart/form-data` for an image.";
    IDEMPOTENCY_KEY_REUSED = 422 "idempotency_key_reused",
        "This `Idempotency-Key` was used for another request.",
        "Make a new key for each thing you want done.";
    INVALID_IMAGE = 422 "invalid_image",
        "The file is no JPEG, PNG or WebP picture that this shop can take: it is damaged, animated, larger than 8,000 \
         x 8,000 pixels, or something else than it claims to be.",
        "`detail` says what is wrong with it. Save it as a still picture of a smaller size and send that.";
    INVALID_ORDERING = 422 "invalid_ordering",
        "The list cannot be ordered by that.",
        "Use a field that `errors` names, with a `-` before it for the other way round.";
    VALIDATION_FAILED = 422 "validation_failed",
        "Some fields cannot be what they are.",
        "`errors` names every one of them and what is wrong with it: show each beside its field.";
    WEAK_PASSWORD = 422 "weak_password",
        "The password is too short, too long, too easy to guess or the e-mail itself.",
        "Ask for another of 8 to 128 characters.";
    RATE_LIMITED = 429 "rate_limited",
        "That was tried too often.",
        "Wait for `Retry-After` seconds. Until then even the right password is refused.";
    HEADERS_TOO_LARGE = 431 "headers_too_large",
        "The headers are larger than 16 KiB.",
        "Send fewer or shorter headers; often it is cookies.";
    INTERNAL_ERROR = 500 "internal_error",
        "Something went wrong on our side.",
        "Try again, with the same `Idempotency-Key` if you sent one. If it stays, tell the shop the `request_id`.";
    MEDIA_UNAVAILABLE = 503 "media_unavailable",
        "The place where the shop keeps its pictures does not answer; nothing was done.",
        "Try again after `Retry-After` seconds.";
    OUTCOME_UNKNOWN = 503 "outcome_unknown",
        "The shop's database went away before it said whether the request was done: it may be, or not.",
        "After `Retry-After` seconds, send the same request with the same `Idempotency-Key`: an order, a payment or a \
         refund is made once, and this is safe as often as you like. Without a key, look first whether it was done: \
         the newest of `GET /api/orders`, `GET /api/payments?order=` or the list of what you made. PUT and DELETE can \
         simply be repeated.";
    OVERLOADED = 503 "overloaded",
        "The shop's database is away or busy for a moment; nothing was done.",
        "Try again after `Retry-After` seconds.";
}
