//! The endpoints of passwords, and of the links in e-mails.

use platform::{
    http::{
        body::Body,
        client_address::ClientAddress,
        described::Text,
        problem::{ApiResult, Problem},
        reply::{Done, UnderWay},
    },
    jobs::Job,
    validation::{FieldError, ValidationErrors},
};
use poem::web::Data;
use poem_openapi::{Object, OpenApi};

use super::{
    Error, Passwords, Purpose, SignedIn,
    fields::NewPassword,
    jobs::{SendPasswordResetEmail, SendVerificationEmail},
    limits, links, passwords, store,
};
use crate::shop::{Shop, tags::Tag};

/// A new password, confirmed with the current one.
#[derive(Object)]
struct PasswordChange {
    /// The account's current password.
    #[oai(validator(max_length = 1000))]
    current_password: String,
    /// 8 to 128 characters. Must not be easy to guess or the e-mail address.
    new_password: Text<NewPassword>,
}

/// The account whose password was forgotten.
#[derive(Object)]
struct ForgottenPassword {
    /// The e-mail address of the account.
    // The response does not disclose whether an e-mail is sent, so any text is accepted.
    #[oai(validator(max_length = 255))]
    email: String,
}

/// A new password, and the token from the password reset e-mail.
#[derive(Object)]
struct PasswordReset {
    /// The value of `token` in the link from the e-mail.
    #[oai(validator(max_length = 1000))]
    token: String,
    /// 8 to 128 characters. Must not be easy to guess or the e-mail address.
    password: Text<NewPassword>,
}

/// The token from the e-mail that was sent after a registration or for a change of the e-mail address.
#[derive(Object)]
struct EmailVerification {
    /// The value of `token` in the link from the e-mail.
    #[oai(validator(max_length = 1000))]
    token: String,
}

pub struct PasswordsApi;

#[OpenApi(prefix_path = "/api/auth", tag = "Tag::Accounts")]
impl PasswordsApi {
    /// Changes the password of the signed-in user.
    ///
    /// All other sessions of the user end, and their tokens return 401 `session_revoked`; this session continues. The
    /// user is told by e-mail. A wrong `current_password` returns 422 on that field and counts as a failed sign-in:
    /// after five within 15 minutes the endpoint returns 429 with `Retry-After`.
    ///
    /// Problems: `weak_password`, `rate_limited`.
    #[oai(path = "/password", method = "post", operation_id = "changePassword")]
    async fn change(
        &self,
        shop: Data<&Shop>,
        by: SignedIn,
        from: ClientAddress,
        body: Body<PasswordChange>,
    ) -> ApiResult<Done> {
        let given = body.parse().await?;
        let user = store::find(&mut shop.db.read().await?, by.id).await?.ok_or_else(Problem::not_found)?;
        let known = store::credentials_of(&shop.db, by.id).await?.ok_or(Error::SessionEnded)?;
        let tried = (user.email.as_str(), from);
        let matches = limits::password_matches(&shop, tried, given.current_password, Some(&known)).await?;
        let wrong = (!matches)
            .then(|| FieldError::new("current_password", "incorrect", "must be the current password of the account"));
        let weak = weakness("new_password", &given.new_password, &user.email);
        ValidationErrors(wrong.into_iter().chain(weak).collect()).into_result()?;
        let hash = shop.get::<Passwords>().hash(given.new_password.0).await?;

        let mut tx = shop.db.write().await?;
        super::change_password(&mut tx, by, &known, &hash, shop.now()).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Sends an e-mail with a link to reset the password.
    ///
    /// Returns 202 whether or not such an account exists, so show the same message in both cases. The link leads to
    /// `STOREFRONT_URL/reset-password?token=…`, works once, and expires after 30 minutes. At most five such e-mails can
    /// be requested for one e-mail address per day.
    ///
    /// Problems: `rate_limited`.
    #[oai(path = "/password/forgot", method = "post", operation_id = "forgotPassword")]
    async fn forgot(
        &self,
        shop: Data<&Shop>,
        from: ClientAddress,
        body: Body<ForgottenPassword>,
    ) -> ApiResult<UnderWay> {
        let permit = shop.limits.take(&limits::RESET_REQUESTS, &from.network()).await?;
        let (_, given) = shop.limits.release_if_invalid(permit, body.parse().await).await?;
        shop.limits.take(&limits::RESET_EMAILS, &super::lookup_key(&given.email)).await?;
        let user = store::credentials_by_email(&shop.db, &given.email).await?.map(|known| known.id);

        let mut tx = shop.db.write().await?;
        SendPasswordResetEmail::to(user).enqueue(&mut tx, shop.now()).await?;
        tx.commit().await?;
        Ok(UnderWay::UnderWay)
    }

    /// Resets a forgotten password.
    ///
    /// All sessions of the user end, so sign in afterwards. The e-mail address then counts as verified. If the new
    /// password is rejected, the token remains valid: let the user choose another password and send the same token
    /// again.
    ///
    /// Problems: `invalid_token`, `weak_password`.
    #[oai(path = "/password/reset", method = "post", operation_id = "resetPassword")]
    async fn reset(&self, shop: Data<&Shop>, from: ClientAddress, body: Body<PasswordReset>) -> ApiResult<Done> {
        let given = body.parse().await?;
        let mut tx = shop.db.read().await?;
        let user = links::find_owner(&mut tx, Purpose::ResetPassword, &given.token, shop.now()).await?;
        drop(tx);
        ValidationErrors(weakness("password", &given.password, &user.email).into_iter().collect()).into_result()?;
        let hash = shop.get::<Passwords>().hash(given.password.0).await?;

        let mut tx = shop.db.write().await?;
        let user = super::reset_password(&mut tx, &given.token, &hash, shop.now()).await?;
        tx.commit().await?;
        limits::reset_wrong_passwords(&shop, &user, from).await;
        Ok(Done::Done)
    }

    /// Verifies an e-mail address.
    ///
    /// The token comes from the e-mail that was sent after a registration, or to the new address for a change of the
    /// e-mail address, which then takes effect. Both links lead to `STOREFRONT_URL/verify-email?token=…`. The token
    /// works once and expires after 24 hours. No sign-in is required.
    ///
    /// Problems: `invalid_token`, `email_taken`.
    #[oai(path = "/email/verify", method = "post", operation_id = "verifyEmail")]
    async fn verify(&self, shop: Data<&Shop>, body: Body<EmailVerification>) -> ApiResult<Done> {
        let given = body.parse().await?;
        let mut tx = shop.db.write().await?;
        super::verify_email(&mut tx, &given.token, shop.now()).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Sends the verification e-mail again.
    ///
    /// For a link that was lost or has expired. At most five such e-mails can be requested per day.
    ///
    /// Problems: `already_verified`, `rate_limited`.
    #[oai(path = "/email/verify/resend", method = "post", operation_id = "resendVerification")]
    async fn resend(&self, shop: Data<&Shop>, by: SignedIn) -> ApiResult<UnderWay> {
        let user = store::find(&mut shop.db.read().await?, by.id).await?.ok_or_else(Problem::not_found)?;
        if user.email_verified {
            return Err(Error::AlreadyVerified.into());
        }
        shop.limits.take(&limits::VERIFICATION_EMAILS, &by.id.to_string()).await?;

        let mut tx = shop.db.write().await?;
        SendVerificationEmail::to(by.id).enqueue(&mut tx, shop.now()).await?;
        tx.commit().await?;
        Ok(UnderWay::UnderWay)
    }
}

fn weakness(field: &str, password: &str, email: &str) -> Option<FieldError> {
    passwords::weakness(password, email).map(|why| FieldError::new(field, "weak_password", why))
}
