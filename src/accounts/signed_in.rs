//! Authentication: the parameters by which an endpoint says who may call it.

use platform::http::problem::{ApiResult, Problem};
use poem::{FromRequest, Request, RequestBody, Result, http::header, web::Data};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};

use super::{Error, Role, store, tokens::Tokens};
use crate::shop::{
    Shop,
    ids::{SessionId, UserId},
};

const SCHEME: &str = "bearer";
/// The same for a client. It marks the operations for admins, for the API document.
const ADMIN_SCHEME: &str = "admin";

/// Any user with an active session.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn {
    pub id: UserId,
    pub session: SessionId,
    pub role: Role,
}

impl SignedIn {
    #[must_use]
    pub fn is_admin(self) -> bool {
        self.role == Role::Admin
    }
}

/// A signed-in admin; others get 403.
#[derive(Clone, Copy, Debug)]
pub struct Admin(pub SignedIn);

/// Anybody, signed in or not. An invalid token is refused, a missing one is not.
#[derive(Clone, Copy, Debug)]
pub struct Visitor(pub Option<SignedIn>);

impl Visitor {
    #[must_use]
    pub fn user(self) -> Option<UserId> {
        self.0.map(|by| by.id)
    }
}

/// Whether the request is an admin's. For reads of the catalog, which ignore an invalid token.
pub async fn is_admin(request: &Request, shop: &Shop) -> bool {
    let Some(token) = bearer(request) else { return false };
    signed_in(shop, token).await.is_ok_and(SignedIn::is_admin)
}

/// The access token of a request, not verified.
#[must_use]
pub fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header(header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The user of an access token. A long response, as an event stream, calls this again and again.
///
/// # Errors
/// 401 when it is invalid or has expired, or its session has ended.
pub async fn signed_in(shop: &Shop, token: &str) -> ApiResult<SignedIn> {
    let session = shop.get::<Tokens>().session(token, shop.now())?;
    Ok(store::find_active_session(&shop.db, session).await?.ok_or(Error::SessionEnded)?)
}

/// The 401 for a request without a valid access token.
#[must_use]
pub fn unauthenticated() -> Problem {
    Error::InvalidAccessToken.into()
}

async fn authenticate(request: &Request, body: &mut RequestBody) -> Result<Option<SignedIn>> {
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let token = bearer(request).ok_or_else(unauthenticated)?;
    let shop = <Data<&Shop> as FromRequest>::from_request(request, body).await?;
    Ok(Some(signed_in(&shop, token).await?))
}

fn register_scheme(registry: &mut Registry, scheme: &'static str) {
    registry.create_security_scheme(
        scheme,
        MetaSecurityScheme {
            ty: "http",
            description: Some("The `access` token from `POST /api/auth/login`."),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: Some("JWT"),
            flows: None,
            openid_connect_url: None,
        },
    );
}

macro_rules! security {
    ($name:ident, $scheme:ident, fallback: $fallback:literal, |$found:ident| $check:expr) => {
        impl<'a> ApiExtractor<'a> for $name {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
            type ParamType = ();
            type ParamRawType = ();

            fn register(registry: &mut Registry) {
                register_scheme(registry, $scheme);
            }

            fn security_schemes() -> Vec<&'static str> {
                vec![$scheme]
            }

            fn has_security_fallback() -> bool {
                $fallback
            }

            async fn from_request(
                request: &'a Request,
                body: &mut RequestBody,
                _: ExtractParamOptions<()>,
            ) -> Result<Self> {
                let $found = authenticate(request, body).await?;
                Ok($check?)
            }
        }
    };
}

security!(SignedIn, SCHEME, fallback: false, |found| found.ok_or_else(unauthenticated));
security!(Admin, ADMIN_SCHEME, fallback: false, |found| match found {
    Some(user) if user.is_admin() => Ok(Admin(user)),
    Some(_) => Err(Problem::forbidden()),
    None => Err(unauthenticated()),
});
security!(Visitor, SCHEME, fallback: true, |found| Ok::<_, Problem>(Visitor(found)));
