//! Closing one's account.
//!
//! Accounting records stay, personal data is deleted. Orders stay as they are, with their shipping addresses, and so do
//! payments: invoices and taxes need them for years. The user's row stays, because orders refer to it, without name,
//! address, phone number, e-mail or password. The e-mail and the username are free again, also for the same person, who
//! then gets a new account. Reviews stay, by "A customer", because they count in a product's rating. The cart, the
//! wishlist, the sessions and the links in e-mails are deleted.
//!
//! While an order is not delivered, or a payment or refund of it is not finished, the shop must be able to reach its buyer;
//! so the account cannot be closed until the order is cancelled or delivered. Nor can that of the last admin, without whom
//! nobody could run the shop.

use platform::{clock::Timestamp, db::Tx, http::idempotency, jobs::Job};
use uuid::Uuid;

use super::{Error, Hooks, Result, Role, email_changes, email_store, jobs, links::Purpose, store, store::Credentials};
use crate::shop::Shop;

/// Closes the account of who gave the right password.
///
/// # Errors
/// [`Error::LastAdmin`]; [`Error::OrderOpen`]; [`Error::SessionEnded`] when the password is not `known` any more.
pub async fn close(tx: &mut Tx, shop: &Shop, known: &Credentials, now: Timestamp) -> Result<()> {
    // From here on the user can place no order, and no other admin can close their account.
    let admins = store::lock_with_active_admins(tx, known.id).await?;
    if !store::are_current(tx, known).await? {
        return Err(Error::SessionEnded);
    }
    let user = store::find(tx, known.id).await?.ok_or(Error::NotFound)?;
    if user.role == Role::Admin && !admins.iter().any(|admin| *admin != user.id) {
        return Err(Error::LastAdmin);
    }
    let hooks = shop.get::<Hooks>();
    if let Some(number) = (hooks.find_open_order)(tx, user.id).await? {
        return Err(Error::OrderOpen { number });
    }
    for delete in hooks.delete_user_data {
        delete(tx, user.id).await?;
    }
    store::end_sessions(tx, user.id, None, now).await?;
    for purpose in [Purpose::VerifyEmail, Purpose::ResetPassword] {
        store::delete_links(tx, user.id, purpose).await?;
    }
    email_changes::cancel(tx, user.id).await?;
    idempotency::delete_of_user(tx, user.id.0).await?;
    store::erase(tx, user.id, now).await?;
    let former = Uuid::new_v4();
    email_store::insert_former(tx, former, &user.email, now).await?;
    tracing::info!(user = %user.id, "a user closed their account");
    Ok(jobs::SendAccountClosedEmail { former }.enqueue(tx, now).await?)
}
