//! Closing one's account.
//!
//! What the shop must keep for its books stays, and what was the user's alone goes. Orders stay as they are, with the
//! address they went to, and so do payments: invoices and taxes ask for them for years. The row of the user stays too,
//! because orders name it, but nothing of a person stands in it any more: no name, address, phone number, e-mail or
//! password. E-mail and username are free for others, and for the same person, who then begins anew. Reviews stay, under
//! "A customer": they help others to choose and count in a product's rating. The cart, the wishlist, the sessions and the
//! links in letters are gone.
//!
//! Nobody leaves in the middle of something. While an order is not delivered, or money is under way, its buyer must be
//! reached, and must reach it; so the account cannot be closed until the order is cancelled or delivered. And the last
//! admin stays, or nobody could run the shop.

use platform::{clock::Timestamp, db::Tx, http::idempotency, jobs::Job};
use uuid::Uuid;

use super::{Error, Hooks, Result, Role, email_changes, email_store, jobs, links::Purpose, store, store::Credentials};
use crate::shop::Shop;

/// Closes the account of who gave the right password.
///
/// # Errors
/// [`Error::LastAdmin`]; [`Error::OrderOpen`]; [`Error::SessionEnded`] when the password is not `known` any more.
pub async fn close(tx: &mut Tx, shop: &Shop, known: &Credentials, now: Timestamp) -> Result<()> {
    // From here on nobody can place an order for them, and no other admin can go.
    let admins = store::lock_with_admins(tx, known.id).await?;
    if !store::still_hold(tx, known).await? {
        return Err(Error::SessionEnded);
    }
    let user = store::find(tx, known.id).await?.ok_or(Error::NotFound)?;
    if user.role == Role::Admin && !admins.iter().any(|admin| *admin != user.id) {
        return Err(Error::LastAdmin);
    }
    let hooks = shop.part::<Hooks>();
    if let Some(number) = (hooks.open_order)(tx, user.id).await? {
        return Err(Error::OrderOpen { number });
    }
    for forget in hooks.forget {
        forget(tx, user.id).await?;
    }
    store::end_sessions(tx, user.id, None, now).await?;
    for purpose in [Purpose::VerifyEmail, Purpose::ResetPassword] {
        store::delete_links(tx, user.id, purpose).await?;
    }
    email_changes::call_off(tx, user.id).await?;
    idempotency::delete_of_user(tx, user.id.0).await?;
    store::erase(tx, user.id, now).await?;
    let former = Uuid::new_v4();
    email_store::insert_former(tx, former, &user.email, now).await?;
    tracing::info!(user = %user.id, "a user closed their account");
    Ok(jobs::TellAccountClosed { former }.enqueue(tx, now).await?)
}
