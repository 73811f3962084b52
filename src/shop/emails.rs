//! The templates of e-mails: the built-in ones (`templates/`), and those of a folder that replace them (`TEMPLATES_DIR`), file
//! by file.
//!
//! An e-mail has three files, for its subject, its text and its HTML; what they share is in further files. A file of the folder
//! replaces the built-in one of the same name wherever that is extended or included; the built-in one can still be extended
//! or included, under `builtin/`. So a shop writes only what should differ.
//!
//! A folder is read when the program starts, and every e-mail is rendered with example data, so that errors in a template are
//! reported then, and not when an order is to be confirmed.

use std::{collections::BTreeSet, fmt, fs, path::Path};

use minijinja::{
    Environment, ErrorKind, UndefinedBehavior,
    syntax::SyntaxConfig,
    value::{Serde, Value},
};
use platform::mail::Email;
use serde::Serialize;
use serde_json::json;

/// The prefix under which the built-in templates remain when a folder replaces them.
const BUILT_IN: &str = "builtin/";

/// The endings of an e-mail's three files.
const PARTS: [&str; 3] = ["subject.txt", "txt", "html"];

macro_rules! emails {
    ($($email:ident = $name:literal when $when:literal),+; shared $($shared:literal),+) => {
        /// The template of an e-mail. [`Template::example`] has every value that it may use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Template { $($email),+ }

        impl Template {
            pub const ALL: &[Self] = &[$(Self::$email),+];

            /// The name of its files, without their endings.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$email => $name),+ }
            }

            /// When it is sent.
            #[must_use]
            pub const fn when(self) -> &'static str {
                match self { $(Self::$email => $when),+ }
            }
        }

        /// The built-in files, by their names.
        pub const FILES: &[(&str, &str)] = &[
            $(
                (concat!($name, ".subject.txt"), include_str!(concat!("templates/", $name, ".subject.txt"))),
                (concat!($name, ".txt"), include_str!(concat!("templates/", $name, ".txt"))),
                (concat!($name, ".html"), include_str!(concat!("templates/", $name, ".html"))),
            )+
            $(($shared, include_str!(concat!("templates/", $shared)))),+
        ];
    };
}

emails! {
    OrderConfirmation = "order_confirmation" when "an order was placed",
    OrderConfirmed = "order_confirmed" when "an order was confirmed",
    OrderShipped = "order_shipped" when "an order was shipped",
    OrderDelivered = "order_delivered" when "an order was delivered",
    OrderCancelled = "order_cancelled" when "an order was cancelled",
    LowStock = "low_stock" when "the stock of a product fell to LOW_STOCK_THRESHOLD; to the admins",
    VerifyEmail = "verify_email" when "a user registered, or requested the link again",
    ResetPassword = "reset_password" when "a user requested a password reset",
    PasswordChanged = "password_changed" when "a password was changed",
    ChangeEmail = "change_email" when "a change of the e-mail address was requested; to the new address",
    EmailChangeAsked = "email_change_asked" when "a change of the e-mail address was requested; to the old address",
    EmailChanged = "email_changed" when "the e-mail address was changed; to the old address",
    AccountClosed = "account_closed" when "a user closed their account",
    SessionEnded = "session_ended" when "a session was ended because its refresh token may be stolen";
    shared "layout.txt", "layout.html", "order_news.txt", "order_news.html", "with_link.html", "address.html",
        "address_left_out.html"
}

impl Template {
    /// Example data with every value that the templates of this e-mail may use.
    #[must_use]
    pub fn example(self) -> serde_json::Value {
        let mut example = match self {
            Self::OrderConfirmation => json!({
                "order_number": "20250115-7KQ2M9", "placed_at": "15 January 2025, 06:31 UTC",
                "lines": [
                    {"name": "Hand Coffee Grinder", "quantity": 1, "price": "84.00", "subtotal": "84.00"},
                    {"name": "Stoneware Mug, blue", "quantity": 2, "price": "14.50", "subtotal": "29.00"},
                ],
                "total": "113.00 USD", "shipping_address": "Ada Lovelace\n12 St James's Square\nLondon SW1Y 4JH",
                "address_left_out": false, "payment_method": "Cash on delivery",
            }),
            Self::OrderConfirmed | Self::OrderShipped | Self::OrderDelivered | Self::OrderCancelled => json!({
                "order_number": "20250115-7KQ2M9", "total": "113.00 USD",
                "shipping_address": "Ada Lovelace\n12 St James's Square\nLondon SW1Y 4JH", "address_left_out": false,
                "money_goes_back": true,
            }),
            Self::LowStock => {
                json!({"product_name": "Hand Coffee Grinder", "product": 1, "stock": 4, "threshold": 5})
            }
            Self::VerifyEmail | Self::ChangeEmail => link_example("verify-email", "24 hours"),
            Self::ResetPassword => link_example("reset-password", "30 minutes"),
            Self::PasswordChanged
            | Self::SessionEnded
            | Self::EmailChangeAsked
            | Self::EmailChanged
            | Self::AccountClosed => json!({"happened_at": "15 January 2025, 06:31 UTC"}),
        };
        example["store_name"] = "Cartwright".into();
        example["customer_name"] = "Ada Lovelace".into();
        example
    }

    /// The same with the opposite of each value that a template may test.
    fn minimal_example(self) -> serde_json::Value {
        let mut example = self.example();
        example["customer_name"] = "".into(); // the name is unknown, or the address is not verified
        if let Some(money_goes_back) = example.get_mut("money_goes_back") {
            *money_goes_back = false.into();
        }
        if let Some(address_left_out) = example.get_mut("address_left_out") {
            *address_left_out = true.into();
            example["shipping_address"] = "".into();
        }
        example
    }
}

fn link_example(page: &str, works_for: &str) -> serde_json::Value {
    json!({"link": format!("https://shop.example/{page}?token=6b0f2c9d1e8a4f7c"), "works_for": works_for})
}

/// A rendered template: the same content as text and as HTML.
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// An error in a folder of templates.
#[derive(Debug, thiserror::Error)]
pub struct TemplateError {
    /// The file's name; empty for the folder itself.
    pub file: String,
    pub line: Option<usize>,
    pub what: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.as_str(), self.line) {
            ("", _) => write!(f, "{}", self.what),
            (file, None) => write!(f, "{file}: {}", self.what),
            (file, Some(line)) => write!(f, "{file}, line {line}: {}", self.what),
        }
    }
}

/// The templates of a shop.
pub struct Templates {
    jinja: Environment<'static>,
    /// The names of the files that are not built in.
    custom: BTreeSet<String>,
}

impl Templates {
    /// # Panics
    /// When a built-in template cannot be parsed: an error in this program that every test shows.
    #[must_use]
    pub fn built_in() -> Self {
        let mut jinja = Environment::new();
        jinja.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        jinja.set_syntax(syntax.expect("the usual delimiters"));
        jinja.set_debug(false); // debug errors would quote the context, which is the customer's data
        for (name, source) in FILES {
            jinja.add_template(name, source).expect("a built-in template can be read");
            jinja.add_template_owned(format!("{BUILT_IN}{name}"), *source).expect("and by its other name");
        }
        Self { jinja, custom: BTreeSet::new() }
    }

    /// The built-in templates, replaced by those of a folder.
    ///
    /// # Errors
    /// The first error in the folder.
    pub fn of(folder: Option<&Path>) -> Result<Self, TemplateError> {
        let Some(folder) = folder else { return Ok(Self::built_in()) };
        let (templates, errors) = Self::examine(folder);
        errors.into_iter().next().map_or(Ok(templates), Err)
    }

    /// The same, with every error in the folder; a built-in template is kept where its replacement cannot be read.
    #[must_use]
    pub fn examine(folder: &Path) -> (Self, Vec<TemplateError>) {
        let mut templates = Self::built_in();
        let mut errors = match names(folder) {
            Ok(names) => names.into_iter().filter_map(|name| templates.add(folder, name).err()).collect(),
            Err(error) => {
                vec![TemplateError { file: String::new(), line: None, what: format!("cannot be read ({error})") }]
            }
        };
        errors.extend(templates.render_errors());
        (templates, errors)
    }

    /// Whether the folder replaces a file of this e-mail.
    #[must_use]
    pub fn is_custom(&self, template: Template) -> bool {
        PARTS.iter().any(|part| self.custom.contains(&format!("{}.{part}", template.name())))
    }

    /// Renders the e-mail to an address and a name, which may be empty.
    ///
    /// # Errors
    /// When a value that the template uses is missing from the context.
    pub fn email<C: Serialize>(
        &self,
        template: Template,
        context: &C,
        (to, to_name): (&str, &str),
        message_id: String,
    ) -> Result<Email, minijinja::Error> {
        let Rendered { subject, text, html } = self.render(template, context)?;
        let to_name = Some(to_name.to_owned()).filter(|name| !name.is_empty());
        Ok(Email { to: to.to_owned(), to_name, subject, text, html, message_id })
    }

    /// Renders a template. Values are escaped in the HTML, not in the text.
    ///
    /// # Errors
    /// When a value that the template uses is missing from the context.
    pub fn render<C: Serialize>(&self, template: Template, context: &C) -> Result<Rendered, minijinja::Error> {
        let context = Value::from(Serde(context));
        // The extension of a file decides whether values are escaped.
        let render = |part| self.jinja.get_template(&format!("{}.{part}", template.name()))?.render(context.clone());
        let [subject, text, html] = PARTS.map(render);
        Ok(Rendered { subject: subject?.trim().to_owned(), text: text?, html: html? })
    }

    fn add(&mut self, folder: &Path, file: String) -> Result<(), TemplateError> {
        let error_at = |line, what| TemplateError { file: file.clone(), line, what };
        let is_shared = file.starts_with('_') && [".txt", ".html"].iter().any(|ending| file.ends_with(ending));
        if !is_shared && !FILES.iter().any(|(name, _)| *name == file) {
            let what = "no template has this name: `cartwright emails list` shows which there are, and a file of your own \
                        that others include is named like _footer.html";
            return Err(error_at(None, what.to_owned()));
        }
        let source = fs::read_to_string(folder.join(&file)).map_err(|error| error_at(None, error.to_string()))?;
        self.jinja.add_template_owned(file.clone(), source).map_err(|error| error_at(error.line(), message(&error)))?;
        self.custom.insert(file);
        Ok(())
    }

    /// The errors of rendering every e-mail with example data.
    fn render_errors(&self) -> Vec<TemplateError> {
        let mut errors = Vec::new();
        for &template in Template::ALL {
            for example in [template.example(), template.minimal_example()] {
                match self.render(template, &example) {
                    Ok(rendered) if rendered.subject.is_empty() => {
                        let file = format!("{}.{}", template.name(), PARTS[0]);
                        errors.push(TemplateError { file, line: None, what: "the subject is empty".to_owned() });
                    }
                    Ok(_) => {}
                    Err(error) => errors.push(self.template_error(&error, &example)),
                }
            }
        }
        let mut seen = BTreeSet::new();
        errors.retain(|error| seen.insert((error.file.clone(), error.line)));
        errors
    }

    fn template_error(&self, error: &minijinja::Error, example: &serde_json::Value) -> TemplateError {
        let error = innermost(error);
        let file = error.name().unwrap_or_default().to_owned();
        let what = match error.kind() {
            ErrorKind::UndefinedError => self.undefined(&file, example).unwrap_or_else(|| message(error)),
            _ => message(error),
        };
        TemplateError { file, line: error.line(), what }
    }

    /// The message about an undefined variable of a file, with the variables that exist.
    fn undefined(&self, file: &str, example: &serde_json::Value) -> Option<String> {
        let known = example.as_object()?;
        let named = self.jinja.get_template(file).ok()?.undeclared_variables(false);
        let unknown = named.into_iter().filter(|name| !known.contains_key(name)).min()?;
        let known: Vec<&str> = known.keys().map(String::as_str).collect();
        Some(format!("there is no {unknown}; there are {}", known.join(", ")))
    }
}

/// The names of a folder's files, without hidden ones, which editors and volumes create.
fn names(folder: &Path) -> std::io::Result<BTreeSet<String>> {
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    let names: std::io::Result<BTreeSet<String>> = fs::read_dir(folder)?.map(name).collect();
    Ok(names?.into_iter().filter(|name| !name.starts_with('.')).collect())
}

/// The error at its source: an error in an included or extended file is wrapped by each file that includes it.
fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let inner = std::error::Error::source(error).and_then(|inner| inner.downcast_ref::<minijinja::Error>());
    inner.map_or(error, innermost)
}

/// The message in one line, without file and line, which [`TemplateError`] has.
fn message(error: &minijinja::Error) -> String {
    let kind = error.kind().to_string();
    let words = error.detail().map_or(kind.clone(), |detail| format!("{kind}: {detail}"));
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, which the test removes.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, source) in files {
            fs::write(folder.path().join(name), source).unwrap();
        }
        folder
    }

    fn errors(files: &[(&str, &str)]) -> Vec<String> {
        let folder = folder(files);
        Templates::examine(folder.path()).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        let mut order = Template::OrderConfirmation.example();
        order["store_name"] = "Harbour & Sons".into();
        order["customer_name"] = "<script>alert(1)</script>".into();
        let mail = Templates::built_in().render(Template::OrderConfirmation, &order).unwrap();
        assert_eq!(mail.subject, "Your order 20250115-7KQ2M9 at Harbour & Sons");
        assert!(mail.text.contains("Hello <script>alert(1)</script>,"));
        assert!(mail.html.contains("Hello &lt;script&gt;") && !mail.html.contains("<script"));
        assert!(mail.text.contains("2 x 14.50 = 29.00") && mail.text.contains("  12 St James's Square\n"));
    }

    #[test]
    fn every_template_renders_without_a_name_and_none_with_a_field_missing() {
        let templates = Templates::built_in();
        for &template in Template::ALL {
            let mail = templates.render(template, &template.minimal_example()).unwrap();
            assert!(mail.html.contains(">Hello,</p>") && mail.text.contains("\nHello,\n"), "{}", mail.text);
            assert!(!mail.subject.is_empty() && !mail.subject.contains('\n'), "{}", mail.subject);
            let named = templates.render(template, &template.example()).unwrap();
            assert!(named.text.contains("\nHello Ada Lovelace,\n"), "{}", named.text);
            assert!(templates.render(template, &json!({"store_name": "Harbour", "customer_name": ""})).is_err());
        }
        for template in [Template::VerifyEmail, Template::ResetPassword] {
            let (mail, example) = (templates.render(template, &template.example()).unwrap(), template.example());
            let link = example["link"].as_str().unwrap();
            assert!(mail.text.contains(&format!("\n\n{link}\n\n")), "{}", mail.text);
            assert!(mail.html.contains("?token=6b0f2c9d1e8a4f7c\""), "{}", mail.html);
        }
        for template in
            [Template::OrderConfirmed, Template::OrderShipped, Template::OrderDelivered, Template::OrderCancelled]
        {
            let email = templates.render(template, &template.example()).unwrap();
            assert!(email.subject.contains("20250115-7KQ2M9"), "{}", email.subject);
            assert!(email.text.contains("Order number: 20250115-7KQ2M9\nTotal:        113.00 USD"), "{}", email.text);
            assert!(email.html.contains("<strong>20250115-7KQ2M9</strong>"), "{}", email.html);
        }
    }

    #[test]
    fn a_folder_replaces_what_it_has_and_may_build_on_what_it_replaces() {
        let folder = folder(&[
            ("order_shipped.subject.txt", "Away it goes: {{ order_number }}\n"),
            (
                "order_shipped.html",
                "{% extends \"builtin/order_shipped.html\" %}{% block title %}Away it goes{% endblock %}",
            ),
            (
                "layout.txt",
                "{% extends \"builtin/layout.txt\" %}{% block footer %}{% include \"_imprint.txt\" %}{% endblock %}",
            ),
            ("_imprint.txt", "Harbour Ltd, {{ store_name }}"),
            (".DS_Store", "\u{0}"),
        ]);
        let templates = Templates::of(Some(folder.path())).unwrap();
        let mail = templates.render(Template::OrderShipped, &Template::OrderShipped.example()).unwrap();
        assert_eq!(mail.subject, "Away it goes: 20250115-7KQ2M9");
        assert!(
            mail.html.contains("<title>Away it goes</title>") && mail.html.contains("St James&#x27;s"),
            "{}",
            mail.html
        );
        assert!(templates.is_custom(Template::OrderShipped) && !templates.is_custom(Template::OrderDelivered));
        let ours = Templates::built_in().render(Template::OrderShipped, &Template::OrderShipped.example()).unwrap();
        assert_ne!(ours.subject, mail.subject);
    }

    #[test]
    fn errors_have_their_file_and_line() {
        assert_eq!(
            errors(&[("order_shipped.txt", "Hello\n{% if %}")])[0].split(": ").next(),
            Some("order_shipped.txt, line 2")
        );
        assert_eq!(
            errors(&[("password_changed.txt", "Hello\n\n{{ custmer_name }}")]),
            [
                "password_changed.txt, line 3: there is no custmer_name; there are customer_name, happened_at, store_name"
            ]
        );
        let unknown = errors(&[("order_shiped.html", "")]);
        assert!(unknown[0].starts_with("order_shiped.html: no template has this name"), "{unknown:?}");
        assert_eq!(errors(&[("low_stock.subject.txt", " \n")]), ["low_stock.subject.txt: the subject is empty"]);
        assert_eq!(errors(&[("low_stock.html", "{% extends \"nothing.html\" %}")]).len(), 1);
        // Also in a branch that the first example does not take, and once for all e-mails that include it.
        let branch = "{% if not customer_name %}\n{{ nothing }}{% endif %}";
        assert_eq!(errors(&[("_hello.txt", branch), ("layout.txt", "{% include \"_hello.txt\" %}")]).len(), 1);
        assert_eq!(errors(&[]), Vec::<String>::new());
        let nowhere = Templates::of(Some(Path::new("/nowhere/at/all"))).err().unwrap().to_string();
        assert!(nowhere.starts_with("cannot be read ("), "{nowhere}");
    }
}
