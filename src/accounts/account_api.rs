//! The endpoints for changing one's e-mail address and for closing one's account.

use platform::{
    clock::Timestamp,
    http::{
        body::Body,
        client_address::ClientAddress,
        described::Text,
        problem::{ApiResult, Problem},
        reply::{Done, Reply, UnderWay},
    },
    validation::{FieldError, ValidationErrors},
};
use poem::web::Data;
use poem_openapi::{Object, OpenApi};

use super::{
    Error, Result, SignedIn, User, closing, email_changes, email_store,
    fields::Email,
    is_email_address, limits, lookup_key,
    store::{self, Credentials},
};
use crate::shop::{Shop, tags::Tag};

/// A new e-mail address, confirmed with the account's password.
#[derive(Object)]
struct EmailChange {
    /// The new e-mail address, at most 254 characters. Unique, ignoring case.
    #[oai(validator(max_length = 254))]
    email: Text<Email>,
    /// The account's current password.
    #[oai(validator(max_length = 1000))]
    password: String,
}

/// The e-mail address of an account, and the pending change of it, if any.
#[derive(Object)]
struct EmailStatus {
    /// The account's current e-mail address.
    email: String,
    /// Whether the current e-mail address is verified.
    email_verified: bool,
    /// The new e-mail address, to which the confirmation link was sent; `null` when no change is pending.
    pending_email: Option<String>,
    /// When the confirmation link expires; `null` when no change is pending.
    pending_until: Option<Timestamp>,
}

/// The account's password, which confirms the closing.
#[derive(Object)]
struct AccountClosing {
    /// The account's current password.
    #[oai(validator(max_length = 1000))]
    password: String,
}

pub struct AccountApi;

#[OpenApi(prefix_path = "/api/profile", tag = "Tag::Accounts")]
impl AccountApi {
    /// Returns the account's e-mail address and the pending change of it.
    ///
    /// While a change is pending, show the new address, and offer to request the change again or to cancel it.
    #[oai(path = "/email", method = "get", operation_id = "getEmail")]
    async fn email(&self, shop: Data<&Shop>, by: SignedIn) -> ApiResult<Reply<EmailStatus>> {
        let mut tx = shop.db.read().await?;
        let user = store::find(&mut tx, by.id).await?.ok_or_else(Problem::not_found)?;
        let pending =
            email_store::find_change_of_user(&mut tx, by.id).await?.filter(|change| change.expires_at > shop.now());
        let (pending_email, pending_until) = pending.map(|change| (change.email, change.expires_at)).unzip();
        let (email, email_verified) = (user.email, user.email_verified);
        Ok(Reply::json(&EmailStatus { email, email_verified, pending_email, pending_until }))
    }

    /// Requests a change of the e-mail address.
    ///
    /// Sends an e-mail with a link to the new address. The link leads to `STOREFRONT_URL/verify-email?token=…`, works
    /// once, and expires after 24 hours. Post its token to `/api/auth/email/verify`, as for a registration: the new
    /// address then replaces the current one and counts as verified. Until then nothing changes. The current address
    /// receives a notice now, and another when the change takes effect. Sessions are not affected.
    ///
    /// A new request replaces a pending one, whose link stops working. A wrong `password` returns 422 on that field and
    /// counts as a failed sign-in. An account can request five changes a day. A request for an address that is already
    /// in use counts as a registration from the client's IP address.
    ///
    /// Problems: `email_taken`, `rate_limited`.
    #[oai(path = "/email", method = "post", operation_id = "changeEmail")]
    async fn change_email(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        from: ClientAddress,
        body: Body<EmailChange>,
    ) -> ApiResult<UnderWay> {
        let given = body.parse().await?;
        let (user, known, wrong) = check_password(&shop, by, from, given.password).await?;
        let bad = check_new_email(&given.email, &user);
        ValidationErrors(bad.into_iter().chain(wrong).collect()).into_result()?;
        shop.limits.take(&limits::EMAIL_CHANGES, &by.id.to_string()).await?;
        let permit = shop.limits.take(&limits::REGISTRATIONS, &from.network()).await?;
        let requested = request_change(&shop, &known, &given.email).await;
        // Only the answer that an address is taken discloses something about other users.
        if !matches!(requested, Err(Error::EmailTaken)) {
            shop.limits.release(permit).await;
        }
        requested?;
        Ok(UnderWay::UnderWay)
    }

    /// Cancels the pending change of the e-mail address.
    ///
    /// The link that was sent stops working. Returns 204 even if no change is pending.
    #[oai(path = "/email", method = "delete", operation_id = "cancelEmailChange")]
    async fn cancel_email_change(&self, shop: Data<&Shop>, by: SignedIn) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        email_changes::cancel(&mut tx, by.id).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Closes the account permanently.
    ///
    /// Erases the name, addresses, phone number, e-mail address, username and password, deletes the cart and the
    /// wishlist, and ends all sessions, including this one. Orders and payments are kept; reviews are kept under the
    /// name "A customer". The same e-mail address can register again as a new account. An e-mail confirms that the
    /// account was closed.
    ///
    /// Returns 409 `order_open` while an order is neither delivered nor cancelled or a payment or refund is in
    /// progress, and 409 `last_admin` for the only admin of the shop. A wrong `password` returns 422 on that field and
    /// counts as a failed sign-in.
    ///
    /// Problems: `order_open`, `last_admin`, `rate_limited`.
    #[oai(path = "/close", method = "post", operation_id = "closeAccount")]
    async fn close(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        from: ClientAddress,
        body: Body<AccountClosing>,
    ) -> ApiResult<Done> {
        let given = body.parse().await?;
        let (_, known, wrong) = check_password(&shop, by, from, given.password).await?;
        ValidationErrors(wrong.into_iter().collect()).into_result()?;
        let mut tx = shop.db.write().await?;
        closing::close(&mut tx, &shop, &known, shop.now()).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }
}

/// The user of the session, and what is wrong with the password that was sent.
async fn check_password(
    shop: &Shop,
    by: SignedIn,
    from: ClientAddress,
    password: String,
) -> ApiResult<(User, Credentials, Option<FieldError>)> {
    let user = store::find(&mut shop.db.read().await?, by.id).await?.ok_or_else(Problem::not_found)?;
    let known = store::credentials_of(&shop.db, by.id).await?.ok_or(Error::SessionEnded)?;
    let matches = limits::password_matches(shop, (&user.email, from), password, Some(&known)).await?;
    let wrong =
        (!matches).then(|| FieldError::new("password", "incorrect", "must be the current password of the account"));
    Ok((user, known, wrong))
}

fn check_new_email(email: &str, user: &User) -> Option<FieldError> {
    if !is_email_address(email) {
        Some(FieldError::new("email", "email", "must be a valid e-mail address"))
    } else if lookup_key(email) == lookup_key(&user.email) {
        Some(FieldError::new("email", "unchanged", "must differ from the current e-mail address"))
    } else {
        None
    }
}

async fn request_change(shop: &Shop, known: &Credentials, email: &str) -> Result<()> {
    let mut tx = shop.db.write().await?;
    email_changes::request(&mut tx, known, email, shop.now()).await?;
    Ok(tx.commit().await?)
}
