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
    validation::FieldError,
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

/// A new password, and the one it replaces.
#[derive(Object)]
struct PasswordChange {
    /// The password as it is now.
    #[oai(validator(max_length = 1000))]
    current_password: String,
    /// 8 to 128 characters, not a common one.
    new_password: Text<NewPassword>,
}

/// Who forgot their password.
#[derive(Object)]
struct ForgottenPassword {
    /// The e-mail of the account.
    // The response does not disclose whether an e-mail is sent, so any text is accepted.
    #[oai(validator(max_length = 255))]
    email: String,
}

/// A new password, and the token of the letter that allows it.
#[derive(Object)]
struct PasswordReset {
    /// What stands behind `?token=` in the letter's link.
    #[oai(validator(max_length = 1000))]
    token: String,
    /// 8 to 128 characters, not a common one.
    password: Text<NewPassword>,
}

/// The token of the letter that was sent on registration, or for a change of the e-mail.
#[derive(Object)]
struct EmailVerification {
    /// What stands behind `?token=` in the letter's link.
    #[oai(validator(max_length = 1000))]
    token: String,
}

pub struct PasswordsApi;

#[OpenApi(prefix_path = "/api/auth", tag = "Tag::Accounts")]
impl PasswordsApi {
    /// Changes the password of who is signed in.
    ///
    /// This session goes on; all others of the user end, and their tokens get 401 `session_revoked`. A letter tells the
    /// user. A wrong `current_password` is 422 on that field, and counts as a failed sign-in: after five in 15 minutes
    /// the answer is 429 with `Retry-After`.
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
        let given = body.judged().await?;
        let user = store::find(&mut shop.db.read().await?, by.id).await?.ok_or_else(Problem::not_found)?;
        let known = store::credentials_of(&shop.db, by.id).await?.ok_or(Error::SessionEnded)?;
        let tried = (user.email.as_str(), from);
        let matches = limits::password_matches(&shop, tried, given.current_password, Some(&known)).await?;
        let wrong =
            (!matches).then(|| FieldError::new("current_password", "incorrect", "is not the password of this account"));
        let weak = weakness("new_password", &given.new_password, &user.email);
        Problem::unless_empty(wrong.into_iter().chain(weak).collect())?;
        let hash = shop.part::<Passwords>().hash(given.new_password.0).await?;

        let mut tx = shop.db.write().await?;
        super::change_password(&mut tx, by, &known, &hash, shop.now()).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Sends a letter with a link to choose a new password.
    ///
    /// The answer is 202 whether or not there is such an account, so show the same words in both cases. The link leads to
    /// `STOREFRONT_URL/reset-password?token=…` and works once, for 30 minutes. Five letters a day may be asked for.
    ///
    /// Problems: `rate_limited`.
    #[oai(path = "/password/forgot", method = "post", operation_id = "forgotPassword")]
    async fn forgot(
        &self,
        shop: Data<&Shop>,
        from: ClientAddress,
        body: Body<ForgottenPassword>,
    ) -> ApiResult<UnderWay> {
        let place = shop.limits.take(&limits::RESET_REQUESTS, &from.network()).await?;
        let (_, given) = shop.limits.unless_invalid(place, body.judged().await).await?;
        shop.limits.take(&limits::RESET_EMAILS, &super::lookup_key(&given.email)).await?;
        let user = store::credentials_by_email(&shop.db, &given.email).await?.map(|known| known.id);

        let mut tx = shop.db.write().await?;
        SendPasswordResetEmail::to(user).enqueue(&mut tx, shop.now()).await?;
        tx.commit().await?;
        Ok(UnderWay::UnderWay)
    }

    /// Replaces a forgotten password.
    ///
    /// All sessions of the user end, so sign in afterwards. The e-mail counts as verified from then on. A password that is
    /// refused leaves the token as it was: let the person choose another and send the same token.
    ///
    /// Problems: `invalid_token`, `weak_password`.
    #[oai(path = "/password/reset", method = "post", operation_id = "resetPassword")]
    async fn reset(&self, shop: Data<&Shop>, from: ClientAddress, body: Body<PasswordReset>) -> ApiResult<Done> {
        let given = body.judged().await?;
        let mut tx = shop.db.read().await?;
        let user = links::find_owner(&mut tx, Purpose::ResetPassword, &given.token, shop.now()).await?;
        drop(tx);
        Problem::unless_empty(weakness("password", &given.password, &user.email).into_iter().collect())?;
        let hash = shop.part::<Passwords>().hash(given.password.0).await?;

        let mut tx = shop.db.write().await?;
        let user = super::reset_password(&mut tx, &given.token, &hash, shop.now()).await?;
        tx.commit().await?;
        limits::reset_wrong_passwords(&shop, &user, from).await;
        Ok(Done::Done)
    }

    /// Shows that a user's e-mail is theirs.
    ///
    /// The token is that of the letter sent on registration, or to the new address of a change of the e-mail, which takes
    /// effect by it. The links of both lead to `STOREFRONT_URL/verify-email?token=…`. Nobody has to be signed in. The token
    /// works once, for 24 hours.
    ///
    /// Problems: `invalid_token`, `email_taken`.
    #[oai(path = "/email/verify", method = "post", operation_id = "verifyEmail")]
    async fn verify(&self, shop: Data<&Shop>, body: Body<EmailVerification>) -> ApiResult<Done> {
        let given = body.judged().await?;
        let mut tx = shop.db.write().await?;
        super::verify_email(&mut tx, &given.token, shop.now()).await?;
        tx.commit().await?;
        Ok(Done::Done)
    }

    /// Sends the letter that verifies the e-mail once more.
    ///
    /// For a link that got lost or grew old. Five letters a day may be asked for.
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
