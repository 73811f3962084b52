//! How every letter to a user is written: about orders, stock and accounts alike.
//!
//! Nothing that anybody typed is in a letter before the e-mail of its reader is verified, not even their name: somebody else
//! may have typed both, and would have us send a stranger what they wrote. Afterwards it has no links.

use platform::{
    jobs::JobError,
    mail::{self, Email},
};
use serde_json::Value;

use super::User;
use crate::shop::{Shop, emails::Template};

impl User {
    /// What a letter to them may say of what somebody typed.
    #[must_use]
    pub fn may_read(&self, typed: &str) -> String {
        if self.email_verified { mail::without_links(typed) } else { String::new() }
    }

    /// What a letter calls them; empty when we do not know their name, or not that it is theirs.
    fn greeting(&self) -> String {
        self.may_read(format!("{} {}", self.first_name, self.last_name).trim())
    }
}

/// Fills a template in for a user. `context` has what the template names beyond the store and the reader, and of what
/// people typed only what [they may read](User::may_read); `about` names the letter, which is the same for every copy.
///
/// # Errors
/// When a value the template names is missing from the context.
pub fn letter(shop: &Shop, to: &User, template: Template, about: &str, context: Value) -> Result<Email, JobError> {
    letter_to(shop, (&to.email, &to.greeting()), template, about, context)
}

/// The same for an address, of which is only known what its reader is called, if that is.
pub fn letter_to(
    shop: &Shop,
    (email, name): (&str, &str),
    template: Template,
    about: &str,
    mut context: Value,
) -> Result<Email, JobError> {
    context["store_name"] = shop.store.name.as_str().into();
    context["customer_name"] = name.into();
    let written = shop.templates.write(template, &context, (email, name), shop.message_id(about));
    written.map_err(|error| JobError::GiveUp(format!("the e-mail cannot be written: {error}")))
}
