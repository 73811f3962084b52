//! The endpoints of registration, sign-in and the profile.

use platform::{
    clock::Timestamp,
    http::{
        body::{Body, null_as_empty},
        client_address::ClientAddress,
        described::Text,
        problem::{ApiResult, Problem},
        reply::{Created, Done, Reply},
    },
    jobs::Job,
};
use poem::web::Data;
use poem_openapi::{Object, OpenApi, types::MaybeUndefined};

use super::{
    Error, Hooks, NewUser, Passwords, Role, SignedIn, User, check_credentials,
    fields::{Email, NewPassword, Username},
    jobs::SendVerificationEmail,
    limits,
    sessions::{self, Refreshed, SignIn},
    store,
    tokens::Tokens,
};
use crate::shop::{
    Shop,
    ids::{CartId, UserId},
    tags::Tag,
};

/// A new account.
#[derive(Object)]
struct Registration {
    /// The e-mail address, at most 254 characters. Unique, ignoring case.
    #[oai(validator(max_length = 254))]
    email: Text<Email>,
    /// 8 to 128 characters. Must not be easy to guess or the e-mail address.
    password: Text<NewPassword>,
    /// 3 to 150 letters, digits and `@ . + - _`. Unique, ignoring case. Default: the part of the e-mail address before
    /// the @, made unique.
    #[oai(nullable)]
    username: Option<Text<Username>>,
    /// The first name, at most 255 characters.
    #[oai(nullable, validator(max_length = 255))]
    first_name: Option<String>,
    /// The last name, at most 255 characters.
    #[oai(nullable, validator(max_length = 255))]
    last_name: Option<String>,
    /// The phone number, at most 255 characters.
    #[oai(nullable, validator(max_length = 255))]
    phone_number: Option<String>,
    /// Alias of `phone_number`.
    #[oai(nullable, validator(max_length = 255))]
    phone: Option<String>,
    /// The postal address, in one or more lines, at most 1,000 characters.
    #[oai(nullable, validator(max_length = 1000))]
    address: Option<String>,
    /// The id of an anonymous cart, which is moved to the new user.
    #[oai(nullable)]
    cart_id: Option<CartId>,
}

/// A user account.
#[derive(Object)]
#[oai(rename = "User")]
pub struct UserView {
    /// The id of the user.
    id: UserId,
    /// The unique name that the user can sign in with.
    username: String,
    /// The e-mail address.
    email: String,
    /// What the user may do.
    role: Role,
    /// The first name. Empty if not set.
    first_name: String,
    /// The last name. Empty if not set.
    last_name: String,
    /// The phone number. Empty if not set.
    phone_number: String,
    /// The postal address, in one or more lines. Empty if not set.
    address: String,
    /// The city. Empty if not set.
    city: String,
    /// The country. Empty if not set.
    country: String,
    /// Whether the e-mail address is verified. A user can sign in before that.
    email_verified: bool,
    /// When the account was created.
    created_at: Timestamp,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            role: user.role,
            first_name: user.first_name,
            last_name: user.last_name,
            phone_number: user.phone_number,
            address: user.address,
            city: user.city,
            country: user.country,
            email_verified: user.email_verified,
            created_at: user.created_at,
        }
    }
}

/// Credentials. Either `email` or `username` is required.
#[derive(Object)]
struct Login {
    /// The e-mail address of the account.
    #[oai(nullable, validator(max_length = 255))]
    email: Option<Text<Email>>,
    /// The username of the account.
    #[oai(nullable, validator(max_length = 255))]
    username: Option<String>,
    /// The password of the account.
    #[oai(validator(max_length = 1000))]
    password: String,
    /// The id of an anonymous cart, which is merged into the user's cart.
    #[oai(nullable)]
    cart_id: Option<CartId>,
}

/// The tokens of a session.
#[derive(Object)]
struct TokenPair {
    /// The access token. Send it in the header `Authorization: Bearer <access>`.
    access: String,
    /// The refresh token. Exchange it at `/api/auth/token/refresh` for new tokens.
    refresh: String,
    /// Always `Bearer`.
    token_type: String,
    /// The number of seconds until `access` expires.
    expires_in: u64,
}

impl TokenPair {
    fn of(shop: &Shop, user: UserId, sign_in: SignIn) -> ApiResult<Self> {
        Ok(Self {
            access: shop.get::<Tokens>().access(user, sign_in.session, shop.now())?,
            refresh: sign_in.refresh,
            token_type: "Bearer".to_owned(),
            expires_in: shop.get::<Tokens>().access_lifetime(),
        })
    }
}

#[derive(Object)]
struct RefreshRequest {
    /// The refresh token.
    #[oai(validator(max_length = 1000))]
    refresh: String,
}

/// The fields of the profile to change. A field left out keeps its value; `null` clears it.
#[derive(Object)]
#[oai(nullable_all)]
struct ProfileChange {
    /// The first name, at most 255 characters.
    #[oai(validator(max_length = 255))]
    first_name: MaybeUndefined<String>,
    /// The last name, at most 255 characters.
    #[oai(validator(max_length = 255))]
    last_name: MaybeUndefined<String>,
    /// The phone number, at most 255 characters.
    #[oai(validator(max_length = 255))]
    phone_number: MaybeUndefined<String>,
    /// Alias of `phone_number`.
    #[oai(validator(max_length = 255))]
    phone: MaybeUndefined<String>,
    /// The postal address, in one or more lines, at most 1,000 characters.
    #[oai(validator(max_length = 1000))]
    address: MaybeUndefined<String>,
    /// The city, at most 255 characters.
    #[oai(validator(max_length = 255))]
    city: MaybeUndefined<String>,
    /// The country, at most 255 characters.
    #[oai(validator(max_length = 255))]
    country: MaybeUndefined<String>,
}

pub struct AccountsApi;

#[OpenApi(prefix_path = "/api")]
impl AccountsApi {
    /// Creates an account.
    ///
    /// Sign in afterwards to get tokens. The anonymous cart named by `cart_id` becomes the new user's. Sends an e-mail
    /// with a link to verify the e-mail address; the user can sign in before that. Each IP address can make three
    /// registration attempts an hour.
    ///
    /// Problems: `email_taken`, `username_taken`, `weak_password`, `rate_limited`.
    #[oai(path = "/auth/register", method = "post", tag = "Tag::Accounts", operation_id = "register")]
    async fn register(
        &self,
        shop: Data<&Shop>,
        from: ClientAddress,
        body: Body<Registration>,
    ) -> ApiResult<Created<UserView>> {
        let permit = shop.limits.take(&limits::REGISTRATIONS, &from.network()).await?;
        let (permit, wanted) = shop.limits.release_if_invalid(permit, registration(&body).await).await?;
        let user = shop.limits.release_on_server_error(permit, create_account(&shop, wanted).await).await?;
        Ok(Created::json(&user.into()))
    }

    /// Signs in with an e-mail address or a username.
    ///
    /// Returns the tokens of a new session: send `access` with every request, and keep `refresh` to get new tokens
    /// later. The anonymous cart named by `cart_id` is merged into the user's cart: quantities are added up, limited to
    /// the stock.
    ///
    /// After five wrong passwords within 15 minutes, further sign-ins with the same name from the same IP address
    /// return 429 with `Retry-After`, even with the right password. Each IP address can make 30 sign-in attempts a
    /// minute.
    ///
    /// Problems: `invalid_credentials`, `rate_limited`.
    #[oai(path = "/auth/login", method = "post", tag = "Tag::Accounts", operation_id = "login")]
    async fn login(&self, shop: Data<&Shop>, from: ClientAddress, body: Body<Login>) -> ApiResult<Reply<TokenPair>> {
        let permit = shop.limits.take(&limits::SIGN_INS, &from.network()).await?;
        let (_, (name, given)) = shop.limits.release_if_invalid(permit, sign_in(&body).await).await?;
        let known = match &given.email {
            Some(email) => store::credentials_by_email(&shop.db, email).await?,
            None => store::credentials_by_username(&shop.db, &name).await?,
        };
        let matches = limits::password_matches(&shop, (&name, from), given.password, known.as_ref()).await?;
        let user = known.filter(|_| matches).ok_or(Error::InvalidCredentials)?;

        let mut tx = shop.db.write().await?;
        let sign_in = sessions::start(&mut tx, shop.get::<Tokens>(), &user, shop.now()).await?;
        if let Some(cart) = given.cart_id {
            (shop.get::<Hooks>().merge_cart)(&mut tx, &shop, cart, user.id).await?;
        }
        tx.commit().await?;
        Ok(Reply::json(&TokenPair::of(&shop, user.id, sign_in)?))
    }

    /// Exchanges a refresh token for new tokens.
    ///
    /// Returns a new `access` and a new `refresh` token. Replace the stored `refresh` token with the new one. The old
    /// one keeps working, with new tokens each time, until one of the refresh tokens it returned is used; a request can
    /// therefore be repeated when its response was lost, and concurrent requests are safe. After that, the old token is
    /// treated as stolen: it returns 401 `refresh_reused`, the whole session ends, and the user is told by e-mail. If
    /// one token was exchanged several times, only the new token that is used first remains valid; share the stored
    /// token among all tabs of a browser.
    ///
    /// Problems: `unauthenticated`, `refresh_reused`, `session_revoked`.
    #[oai(path = "/auth/token/refresh", method = "post", tag = "Tag::Accounts", operation_id = "refreshToken")]
    async fn refresh(&self, shop: Data<&Shop>, body: Body<RefreshRequest>) -> ApiResult<Reply<TokenPair>> {
        let given = body.parse().await?;
        let mut tx = shop.db.write().await?;
        let refreshed = sessions::refresh(&mut tx, shop.get::<Tokens>(), &given.refresh, shop.now()).await?;
        tx.commit().await?;
        match refreshed {
            Refreshed::Continued { user, sign_in } => Ok(Reply::json(&TokenPair::of(&shop, user, sign_in)?)),
            Refreshed::Refused(error) => Err(error.into()),
        }
    }

    /// Signs out and ends the session.
    ///
    /// The session's access and refresh tokens stop working immediately. Other sessions of the user are not affected.
    #[oai(path = "/auth/logout", method = "post", tag = "Tag::Accounts", operation_id = "logout")]
    async fn logout(&self, shop: Data<&Shop>, by: SignedIn) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        sessions::end(&mut tx, by.session, shop.now()).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Returns the profile of the signed-in user.
    ///
    /// The same fields as in the response of the registration.
    #[oai(path = "/profile", method = "get", tag = "Tag::Accounts", operation_id = "getProfile")]
    async fn profile(&self, shop: Data<&Shop>, by: SignedIn) -> ApiResult<Reply<UserView>> {
        let mut tx = shop.db.read().await?;
        let user = store::find(&mut tx, by.id).await?.ok_or_else(Problem::not_found)?;
        Ok(Reply::json(&user.into()))
    }

    /// Updates the profile of the signed-in user.
    ///
    /// A field left out keeps its value; `null` clears it.
    #[oai(path = "/profile", method = "put", tag = "Tag::Accounts", operation_id = "replaceProfile")]
    async fn replace_profile(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        body: Body<ProfileChange>,
    ) -> ApiResult<Reply<UserView>> {
        change_profile(&shop, by, &body).await
    }

    /// Updates the profile of the signed-in user.
    ///
    /// A field left out keeps its value; `null` clears it.
    #[oai(path = "/profile", method = "patch", tag = "Tag::Accounts", operation_id = "changeProfile")]
    async fn change_profile(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        body: Body<ProfileChange>,
    ) -> ApiResult<Reply<UserView>> {
        change_profile(&shop, by, &body).await
    }
}

/// A valid registration.
async fn registration(body: &Body<Registration>) -> ApiResult<Registration> {
    let wanted = body.parse().await?;
    check_credentials(&wanted.email, wanted.username.as_deref(), &wanted.password)?;
    Ok(wanted)
}

/// The name of a sign-in, and the rest of it.
async fn sign_in(body: &Body<Login>) -> ApiResult<(String, Login)> {
    let given = body.parse().await?;
    let missing = || Problem::invalid_field("email", "required", "or username is required");
    let name = given.email.as_deref().or(given.username.as_deref()).ok_or_else(missing)?;
    Ok((name.to_owned(), given))
}

async fn create_account(shop: &Shop, wanted: Registration) -> ApiResult<User> {
    let new = NewUser {
        password_hash: shop.get::<Passwords>().hash(wanted.password.0).await?,
        email: wanted.email.0,
        username: wanted.username.map(|name| name.0),
        role: Role::Customer,
        first_name: wanted.first_name.unwrap_or_default(),
        last_name: wanted.last_name.unwrap_or_default(),
        phone_number: wanted.phone_number.or(wanted.phone).unwrap_or_default(),
        address: wanted.address.unwrap_or_default(),
    };
    let mut tx = shop.db.write().await?;
    let user = super::register(&mut tx, new, shop.now()).await?;
    if let Some(cart) = wanted.cart_id {
        (shop.get::<Hooks>().merge_cart)(&mut tx, shop, cart, user.id).await?;
    }
    SendVerificationEmail::to(user.id).enqueue(&mut tx, shop.now()).await?;
    tx.commit().await?;
    Ok(user)
}

/// PUT and PATCH are the same here: no field is required.
async fn change_profile(shop: &Shop, by: SignedIn, body: &Body<ProfileChange>) -> ApiResult<Reply<UserView>> {
    let change = body.parse().await?;
    let mut tx = shop.db.write().await?;
    let mut user = store::lock(&mut tx, by.id).await?.ok_or_else(Problem::not_found)?;
    user.first_name = null_as_empty(change.first_name).unwrap_or(user.first_name);
    user.last_name = null_as_empty(change.last_name).unwrap_or(user.last_name);
    user.phone_number = null_as_empty(change.phone).unwrap_or(user.phone_number);
    user.phone_number = null_as_empty(change.phone_number).unwrap_or(user.phone_number);
    user.address = null_as_empty(change.address).unwrap_or(user.address);
    user.city = null_as_empty(change.city).unwrap_or(user.city);
    user.country = null_as_empty(change.country).unwrap_or(user.country);
    store::update_profile(&mut tx, &user).await?;
    tx.commit().await?;
    Ok(Reply::json(&user.into()))
}
