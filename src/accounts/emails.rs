//! Renders every e-mail to a user: about orders, stock and accounts alike.
//!
//! Until a user's address is verified, no e-mail to it contains text that somebody typed, not even their name: a stranger may
//! have typed both, and would have us send that text to the address. Once it is verified, such text has its links removed.

use platform::{
    jobs::JobError,
    mail::{self, Email},
};
use serde_json::Value;

use super::User;
use crate::shop::{Shop, emails::Template};

impl User {
    /// What an e-mail to this user may contain of a text that somebody typed: empty before the address is verified, then
    /// the text without links.
    #[must_use]
    pub fn text_for_email(&self, typed: &str) -> String {
        if self.email_verified { mail::without_links(typed) } else { String::new() }
    }

    /// The user's name in an e-mail to them; empty when it is unknown, or must not be in it.
    fn name_for_email(&self) -> String {
        self.text_for_email(format!("{} {}", self.first_name, self.last_name).trim())
    }
}

/// Renders a template for a user. `context` has the values of the template other than the store's and the user's names;
/// text that people typed must come from [`User::text_for_email`]. `about` identifies the e-mail: every copy has the same.
///
/// # Errors
/// [`JobError::GiveUp`] when a value the template uses is missing from the context.
pub fn render_email(
    shop: &Shop,
    to: &User,
    template: Template,
    about: &str,
    context: Value,
) -> Result<Email, JobError> {
    render_email_to(shop, (&to.email, &to.name_for_email()), template, about, context)
}

/// The same for an address and a name, which may be empty.
///
/// # Errors
/// [`JobError::GiveUp`] when a value the template uses is missing from the context.
pub fn render_email_to(
    shop: &Shop,
    (email, name): (&str, &str),
    template: Template,
    about: &str,
    mut context: Value,
) -> Result<Email, JobError> {
    context["store_name"] = shop.store.name.as_str().into();
    context["customer_name"] = name.into();
    let rendered = shop.templates.email(template, &context, (email, name), shop.message_id(about));
    rendered.map_err(|error| JobError::GiveUp(format!("the e-mail cannot be written: {error}")))
}
