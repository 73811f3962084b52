//! The endpoints of registration, sign-in and the profile.

use platform::{
    clock::Timestamp,
    http::{
        body::{Body, cleared},
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

/// Who wants an account.
#[derive(Object)]
struct Registration {
    /// Where the shop writes to. Unique, without regard to case.
    #[oai(validator(max_length = 254))]
    email: Text<Email>,
    /// 8 to 128 characters, not a common one.
    password: Text<NewPassword>,
    /// 3 to 150 letters, digits and `@ . + - _`. Left out: the part of the e-mail before the @, made unique.
    #[oai(nullable)]
    username: Option<Text<Username>>,
    #[oai(nullable, validator(max_length = 255))]
    first_name: Option<String>,
    #[oai(nullable, validator(max_length = 255))]
    last_name: Option<String>,
    #[oai(nullable, validator(max_length = 255))]
    phone_number: Option<String>,
    /// The same as `phone_number`.
    #[oai(nullable, validator(max_length = 255))]
    phone: Option<String>,
    #[oai(nullable, validator(max_length = 1000))]
    address: Option<String>,
    /// An anonymous cart that becomes the new user's.
    #[oai(nullable)]
    cart_id: Option<CartId>,
}

/// A user.
#[derive(Object)]
#[oai(rename = "User")]
pub struct UserView {
    id: UserId,
    username: String,
    email: String,
    role: Role,
    first_name: String,
    last_name: String,
    phone_number: String,
    address: String,
    city: String,
    country: String,
    /// Signing in works before the e-mail is verified.
    email_verified: bool,
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

/// A name and a password. One of `email` and `username` is needed.
#[derive(Object)]
struct Login {
    #[oai(nullable, validator(max_length = 255))]
    email: Option<Text<Email>>,
    #[oai(nullable, validator(max_length = 255))]
    username: Option<String>,
    #[oai(validator(max_length = 1000))]
    password: String,
    /// An anonymous cart to merge into the user's.
    #[oai(nullable)]
    cart_id: Option<CartId>,
}

/// The tokens of a session.
#[derive(Object)]
struct TokenPair {
    /// Send it as `Authorization: Bearer …`.
    access: String,
    /// Exchange it at `/api/auth/token/refresh`, and keep the one that comes with the answer.
    refresh: String,
    token_type: String,
    /// Seconds until `access` expires.
    expires_in: u64,
}

impl TokenPair {
    fn of(shop: &Shop, user: UserId, sign_in: SignIn) -> ApiResult<Self> {
        Ok(Self {
            access: shop.part::<Tokens>().access(user, sign_in.session, shop.now())?,
            refresh: sign_in.refresh,
            token_type: "Bearer".to_owned(),
            expires_in: shop.part::<Tokens>().access_lifetime(),
        })
    }
}

#[derive(Object)]
struct RefreshRequest {
    #[oai(validator(max_length = 1000))]
    refresh: String,
}

/// What a user may change about themselves. Fields left out keep their value, `null` clears one.
#[derive(Object)]
#[oai(nullable_all)]
struct ProfileChange {
    #[oai(validator(max_length = 255))]
    first_name: MaybeUndefined<String>,
    #[oai(validator(max_length = 255))]
    last_name: MaybeUndefined<String>,
    #[oai(validator(max_length = 255))]
    phone_number: MaybeUndefined<String>,
    /// The same as `phone_number`.
    #[oai(validator(max_length = 255))]
    phone: MaybeUndefined<String>,
    #[oai(validator(max_length = 1000))]
    address: MaybeUndefined<String>,
    #[oai(validator(max_length = 255))]
    city: MaybeUndefined<String>,
    #[oai(validator(max_length = 255))]
    country: MaybeUndefined<String>,
}

pub struct AccountsApi;

#[OpenApi(prefix_path = "/api")]
impl AccountsApi {
    /// Makes an account.
    ///
    /// Sign in afterwards to get tokens. With `cart_id`, what is in that anonymous cart is in the new user's. A letter
    /// with a link to verify the e-mail is sent; signing in works before that. From one address three accounts an hour
    /// may be tried for.
    ///
    /// Problems: `email_taken`, `username_taken`, `weak_password`, `rate_limited`.
    #[oai(path = "/auth/register", method = "post", tag = "Tag::Accounts", operation_id = "register")]
    async fn register(
        &self,
        shop: Data<&Shop>,
        from: ClientAddress,
        body: Body<Registration>,
    ) -> ApiResult<Created<UserView>> {
        let place = shop.limits.take(&limits::REGISTRATIONS, &from.network()).await?;
        let (place, wanted) = shop.limits.unless_invalid(place, registration(&body).await).await?;
        let user = shop.limits.unless_our_fault(place, create_account(&shop, wanted).await).await?;
        Ok(Created::json(&user.into()))
    }

    /// Signs in with an e-mail or a username.
    ///
    /// Answers the tokens of a new session: send `access` with every request, keep `refresh` for later. With `cart_id`,
    /// the visitor's cart is merged into the user's: quantities add up, as far as the stock goes.
    ///
    /// After five wrong passwords for one name within 15 minutes the answer is 429 with `Retry-After`, also for the right
    /// password; from one address 30 sign-ins a minute may be tried.
    ///
    /// Problems: `invalid_credentials`, `rate_limited`.
    #[oai(path = "/auth/login", method = "post", tag = "Tag::Accounts", operation_id = "login")]
    async fn login(&self, shop: Data<&Shop>, from: ClientAddress, body: Body<Login>) -> ApiResult<Reply<TokenPair>> {
        let place = shop.limits.take(&limits::SIGN_INS, &from.network()).await?;
        let (_, (name, given)) = shop.limits.unless_invalid(place, sign_in(&body).await).await?;
        let known = match &given.email {
            Some(email) => store::credentials_by_email(&shop.db, email).await?,
            None => store::credentials_by_username(&shop.db, &name).await?,
        };
        let matches = limits::password_matches(&shop, (&name, from), given.password, known.as_ref()).await?;
        let user = known.filter(|_| matches).ok_or(Error::InvalidCredentials)?;

        let mut tx = shop.db.write().await?;
        let sign_in = sessions::start(&mut tx, shop.part::<Tokens>(), &user, shop.now()).await?;
        if let Some(cart) = given.cart_id {
            (shop.part::<Hooks>().merge_cart)(&mut tx, &shop, cart, user.id).await?;
        }
        tx.commit().await?;
        Ok(Reply::json(&TokenPair::of(&shop, user.id, sign_in)?))
    }

    /// Exchanges a refresh token for new tokens.
    ///
    /// The answer has a new `access` and a new `refresh`. Keep the new `refresh`: it lives on from now. The old one still
    /// answers, with fresh tokens each time, until a `refresh` that it brought was used; so repeat the request when its
    /// answer was lost, and do not mind two at the same moment. After that the old one is stolen: it gets 401
    /// `refresh_reused`, the whole session ends, and an e-mail tells the user. Of several answers to one token only one
    /// goes on, the first whose `refresh` is used; so let all tabs of a browser keep theirs in one place.
    ///
    /// Problems: `unauthenticated`, `refresh_reused`, `session_revoked`.
    #[oai(path = "/auth/token/refresh", method = "post", tag = "Tag::Accounts", operation_id = "refreshToken")]
    async fn refresh(&self, shop: Data<&Shop>, body: Body<RefreshRequest>) -> ApiResult<Reply<TokenPair>> {
        let given = body.judged().await?;
        let mut tx = shop.db.write().await?;
        let refreshed = sessions::refresh(&mut tx, shop.part::<Tokens>(), &given.refresh, shop.now()).await?;
        tx.commit().await?;
        match refreshed {
            Refreshed::Continued { user, sign_in } => Ok(Reply::json(&TokenPair::of(&shop, user, sign_in)?)),
            Refreshed::Refused(error) => Err(error.into()),
        }
    }

    /// Signs out: the session's tokens stop working at once.
    ///
    /// The access token and the refresh token of this session are refused from now on, on every process. Other sessions
    /// go on.
    #[oai(path = "/auth/logout", method = "post", tag = "Tag::Accounts", operation_id = "logout")]
    async fn logout(&self, shop: Data<&Shop>, by: SignedIn) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        sessions::end(&mut tx, by.session, shop.now()).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Shows who is signed in.
    ///
    /// The same as registering answered, with what was changed since.
    #[oai(path = "/profile", method = "get", tag = "Tag::Accounts", operation_id = "getProfile")]
    async fn profile(&self, shop: Data<&Shop>, by: SignedIn) -> ApiResult<Reply<UserView>> {
        let mut tx = shop.db.read().await?;
        let user = store::find(&mut tx, by.id).await?.ok_or_else(Problem::not_found)?;
        Ok(Reply::json(&user.into()))
    }

    /// Changes the profile.
    ///
    /// Fields left out keep their value, `null` clears one.
    #[oai(path = "/profile", method = "put", tag = "Tag::Accounts", operation_id = "replaceProfile")]
    async fn replace_profile(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        body: Body<ProfileChange>,
    ) -> ApiResult<Reply<UserView>> {
        change_profile(&shop, by, &body).await
    }

    /// Changes the profile.
    ///
    /// Fields left out keep their value, `null` clears one.
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
    let wanted = body.judged().await?;
    check_credentials(&wanted.email, wanted.username.as_deref(), &wanted.password)?;
    Ok(wanted)
}

/// The name of a sign-in, and the rest of it.
async fn sign_in(body: &Body<Login>) -> ApiResult<(String, Login)> {
    let given = body.judged().await?;
    let missing = || Problem::invalid_field("email", "required", "or username is required");
    let name = given.email.as_deref().or(given.username.as_deref()).ok_or_else(missing)?;
    Ok((name.to_owned(), given))
}

async fn create_account(shop: &Shop, wanted: Registration) -> ApiResult<User> {
    let new = NewUser {
        password_hash: shop.part::<Passwords>().hash(wanted.password.0).await?,
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
        (shop.part::<Hooks>().merge_cart)(&mut tx, shop, cart, user.id).await?;
    }
    SendVerificationEmail::to(user.id).enqueue(&mut tx, shop.now()).await?;
    tx.commit().await?;
    Ok(user)
}

/// PUT and PATCH are the same here: no field is required.
async fn change_profile(shop: &Shop, by: SignedIn, body: &Body<ProfileChange>) -> ApiResult<Reply<UserView>> {
    let change = body.judged().await?;
    let mut tx = shop.db.write().await?;
    let mut user = store::lock(&mut tx, by.id).await?.ok_or_else(Problem::not_found)?;
    user.first_name = cleared(change.first_name).unwrap_or(user.first_name);
    user.last_name = cleared(change.last_name).unwrap_or(user.last_name);
    user.phone_number = cleared(change.phone).unwrap_or(user.phone_number);
    user.phone_number = cleared(change.phone_number).unwrap_or(user.phone_number);
    user.address = cleared(change.address).unwrap_or(user.address);
    user.city = cleared(change.city).unwrap_or(user.city);
    user.country = cleared(change.country).unwrap_or(user.country);
    store::update_profile(&mut tx, &user).await?;
    tx.commit().await?;
    Ok(Reply::json(&user.into()))
}
