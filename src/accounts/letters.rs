//! How every letter to a user is written: about orders, stock and accounts alike.
//!
//! Nobody is greeted by name before their e-mail is verified: somebody else may have typed both, and would have us send a
//! stranger what they wrote.

use serde_json::Value;

use super::User;
use crate::{
    mail::{Letter, Template},
    shop::Shop,
};

impl User {
    /// What a letter calls them; empty when we do not know their name, or not that it is theirs.
    fn greeting(&self) -> String {
        if !self.email_verified {
            return String::new();
        }
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }
}

/// Fills a template in for a user. `context` has what the template names beyond the store and the reader; `about` names
/// the letter, which is the same for every copy.
///
/// # Errors
/// When a value the template names is missing from the context.
pub fn letter(
    shop: &Shop,
    to: &User,
    template: Template,
    about: &str,
    context: Value,
) -> Result<Letter, minijinja::Error> {
    letter_to(shop, (&to.email, &to.greeting()), template, about, context)
}

/// The same for an address, of which is only known what its reader is called, if that is.
pub fn letter_to(
    shop: &Shop,
    (email, name): (&str, &str),
    template: Template,
    about: &str,
    mut context: Value,
) -> Result<Letter, minijinja::Error> {
    context["store_name"] = shop.settings.store_name.as_str().into();
    context["customer_name"] = name.into();
    Letter::write(&shop.templates, template, &context, (email, name), shop.message_id(about))
}
