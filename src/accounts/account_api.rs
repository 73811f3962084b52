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
    validation::FieldError,
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

/// Another e-mail, and the password that allows it.
#[derive(Object)]
struct EmailChange {
    /// Where the shop is to write to. Unique, without regard to case.
    #[oai(validator(max_length = 254))]
    email: Text<Email>,
    /// The password of the account.
    #[oai(validator(max_length = 1000))]
    password: String,
}

/// The e-mail of an account, and the one it is to be changed to.
#[derive(Object)]
struct EmailStatus {
    email: String,
    email_verified: bool,
    /// The address that the link of a change was mailed to; `null` when no change is pending.
    pending_email: Option<String>,
    /// Until when that link works; `null` when no change is pending.
    pending_until: Option<Timestamp>,
}

/// The password, as a last question.
#[derive(Object)]
struct AccountClosing {
    /// The password of the account.
    #[oai(validator(max_length = 1000))]
    password: String,
}

pub struct AccountApi;

#[OpenApi(prefix_path = "/api/profile", tag = "Tag::Accounts")]
impl AccountApi {
    /// Shows one's e-mail, and a change of it that is pending.
    ///
    /// While one is pending, show where the link was mailed to, and offer to ask again or to call it off.
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

    /// Asks for another e-mail.
    ///
    /// A letter with a link goes to the new address; it leads to `STOREFRONT_URL/verify-email?token=…` and works once, for
    /// 24 hours. Post its token to `/api/auth/email/verify`, as the one of a registration: from then on the new address is
    /// the account's, and verified. Until then nothing changes. The old address is told now, and again when the change has
    /// taken effect. Sessions go on.
    ///
    /// Asking again replaces a change that is pending, and its link stops working. A wrong `password` is 422 on that
    /// field, and counts as a failed sign-in. Five changes a day may be asked for; an address that is taken counts as a
    /// registration from this address of the network.
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
        let given = body.judged().await?;
        let (user, known, wrong) = check_password(&shop, by, from, given.password).await?;
        let bad = check_new_email(&given.email, &user);
        Problem::unless_empty(bad.into_iter().chain(wrong).collect())?;
        shop.limits.take(&limits::EMAIL_CHANGES, &by.id.to_string()).await?;
        let place = shop.limits.take(&limits::REGISTRATIONS, &from.network()).await?;
        let requested = request_change(&shop, &known, &given.email).await;
        // Only the answer that an address is taken discloses something about other users.
        if !matches!(requested, Err(Error::EmailTaken)) {
            shop.limits.give_back(place).await;
        }
        requested?;
        Ok(UnderWay::UnderWay)
    }

    /// Calls a change of the e-mail off.
    ///
    /// The link that was mailed stops working. When none is pending, nothing happens.
    #[oai(path = "/email", method = "delete", operation_id = "cancelEmailChange")]
    async fn cancel_email_change(&self, shop: Data<&Shop>, by: SignedIn) -> ApiResult<Done> {
        let mut tx = shop.db.write().await?;
        email_changes::cancel(&mut tx, by.id).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Closes one's account, for good.
    ///
    /// Name, addresses, phone number, e-mail, username and password are erased; cart and wishlist are gone, and all
    /// sessions end, this one too. Orders and payments stay in the shop's books, reviews stay under "A customer". The
    /// e-mail may register again, as somebody new. A letter says that the account was closed.
    ///
    /// While an order is neither delivered nor cancelled, or money is under way, the answer is 409 `order_open`. The only
    /// admin of the shop gets 409 `last_admin`. A wrong `password` is 422 on that field, and counts as a failed sign-in.
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
        let given = body.judged().await?;
        let (_, known, wrong) = check_password(&shop, by, from, given.password).await?;
        Problem::unless_empty(wrong.into_iter().collect())?;
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
    let wrong = (!matches).then(|| FieldError::new("password", "incorrect", "is not the password of this account"));
    Ok((user, known, wrong))
}

fn check_new_email(email: &str, user: &User) -> Option<FieldError> {
    if !is_email_address(email) {
        Some(FieldError::new("email", "email", "is not an e-mail address"))
    } else if lookup_key(email) == lookup_key(&user.email) {
        Some(FieldError::new("email", "unchanged", "is the e-mail of this account already"))
    } else {
        None
    }
}

async fn request_change(shop: &Shop, known: &Credentials, email: &str) -> Result<()> {
    let mut tx = shop.db.write().await?;
    email_changes::request(&mut tx, known, email, shop.now()).await?;
    Ok(tx.commit().await?)
}
