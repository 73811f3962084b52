//! Parses cells. Each function returns the value, or what is wrong with it without its line and column, which the caller
//! adds.

use platform::money::{self, AmountError, MAX_MONEY};

use super::plain_text::plain_text;

const NAME_CHARS: usize = 255;
const DESCRIPTION_CHARS: usize = 10_000;
const URL_CHARS: usize = 2_048;
const MAX_STOCK: i64 = i32::MAX as i64;

/// An error or a warning: a message that is the same for all issues of its kind, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub message: String,
    /// As quoted in the report; empty if there is nothing to quote.
    pub found: String,
}

impl Issue {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), found: String::new() }
    }

    pub fn with_cell(cell: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), found: quoted(cell) }
    }
}

pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A cell as quoted in the report: short, and without the control characters of a terminal.
fn quoted(cell: &str) -> String {
    const MAX_CHARS: usize = 40;
    if cell.chars().count() <= MAX_CHARS {
        return format!("{cell:?}");
    }
    format!("{:?}", cell.chars().take(MAX_CHARS).chain(['…']).collect::<String>())
}

fn without_nul(text: String) -> Result<String, Issue> {
    if text.contains('\0') { Err(Issue::new("contains a NUL character; remove it")) } else { Ok(text) }
}

/// The text, if it is valid as a name or a SKU.
pub fn name(text: String) -> Result<String, Issue> {
    let text = without_nul(text)?;
    if text.chars().count() > NAME_CHARS {
        return Err(Issue::with_cell(&text, format!("is too long; at most {NAME_CHARS} characters fit")));
    }
    Ok(text)
}

/// The name of a variant, cut if it is too long, and whether it is complete. In Shopify the title and each option can have
/// 255 characters.
pub fn variant_name(text: String) -> (String, bool) {
    truncate(text, NAME_CHARS)
}

pub fn required(cell: &str) -> Result<String, Issue> {
    optional(cell)?.ok_or_else(|| Issue::new("is empty; every product needs one"))
}

pub fn optional(cell: &str) -> Result<Option<String>, Issue> {
    let text = name(one_line(cell))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// The last part of a path like `Apparel > Clothing > Shirts`.
pub fn last_of_path(cell: &str) -> Result<Option<String>, Issue> {
    let last = optional(cell.rsplit('>').next().unwrap_or_default())?;
    Ok(last.filter(|last| last != "Uncategorized"))
}

/// The description, cut if it is too long, and whether it is complete.
pub fn description(cell: &str) -> Result<(String, bool), Issue> {
    Ok(truncate(without_nul(plain_text(cell))?, DESCRIPTION_CHARS))
}

/// The text, cut after a word if it is too long, and whether it is complete.
fn truncate(text: String, max: usize) -> (String, bool) {
    let Some((end, _)) = text.char_indices().nth(max - 2) else { return (text, true) };
    if text.chars().count() <= max {
        return (text, true);
    }
    let kept = &text[..end];
    let word_end = kept.rfind(char::is_whitespace).unwrap_or(end);
    (format!("{} …", kept[..word_end].trim_end()), false)
}

pub fn is_on_sale(cell: &str) -> Result<bool, Issue> {
    match cell.to_ascii_lowercase().as_str() {
        "" | "active" => Ok(true),
        // An unlisted product is sold only to those who know its URL, which this shop does not support.
        "draft" | "archived" | "unlisted" => Ok(false),
        _ => Err(Issue::with_cell(cell, "is not a status; write active, draft or archived")),
    }
}

/// The boolean of a cell, with the column's default for an empty one.
pub fn boolean(cell: &str, default: bool) -> Result<bool, Issue> {
    match cell.to_ascii_lowercase().as_str() {
        "" => Ok(default),
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Issue::with_cell(cell, "is neither true nor false; write one of them")),
    }
}

pub fn price(cell: &str, decimals: u8) -> Result<String, Issue> {
    let example = if decimals == 0 { "19".to_owned() } else { format!("19.{:0<1$}", 9, usize::from(decimals)) };
    if cell.is_empty() {
        return Err(Issue::new(format!("is empty; every variant needs a price, like {example}")));
    }
    let places = usize::from(decimals);
    if let Err(why) = money::parse(cell, decimals) {
        let message = match why {
            AmountError::Malformed => format!("is not a price; write it like {example}"),
            AmountError::TooManyDecimals => format!("has more than {decimals} decimals; write it like {example}"),
            AmountError::TooLarge => format!("is too much; at most {} fits", max_amount(places)),
        };
        return Err(Issue::with_cell(cell, message));
    }
    Ok(match cell.split_once('.') {
        Some((whole, fraction)) if places > 0 => format!("{whole}.{}", &fraction[..fraction.len().min(places)]),
        Some((whole, _)) => whole.to_owned(),
        None => cell.to_owned(),
    })
}

fn max_amount(places: usize) -> String {
    let digits = MAX_MONEY.0.to_string();
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// A number of units, negative if the product is oversold; `None` if the cell is empty. Spreadsheets write `50.0`.
pub fn quantity(cell: &str) -> Result<Option<i64>, Issue> {
    if cell.is_empty() {
        return Ok(None);
    }
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, "0"));
    if !is_digits(whole.strip_prefix('-').unwrap_or(whole)) || !is_digits(fraction) || !is_zeros(fraction) {
        return Err(Issue::with_cell(cell, "is not a number of pieces; write it like 12"));
    }
    let number = whole.parse().unwrap_or(if whole.starts_with('-') { i64::MIN } else { i64::MAX });
    if number > MAX_STOCK {
        return Err(Issue::with_cell(cell, format!("is too many; at most {MAX_STOCK} fit")));
    }
    Ok(Some(number.max(-MAX_STOCK)))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_zeros(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

/// The position of an image among those of its product; after the others if the cell has none.
pub fn position(cell: &str) -> u64 {
    cell.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(u64::MAX)
}

/// The URL of an image. One without a scheme, as themes write them, gets `https:`.
pub fn image(cell: &str) -> Result<Option<String>, Issue> {
    if cell.is_empty() {
        return Ok(None);
    }
    let url = if cell.starts_with("//") { format!("https:{cell}") } else { cell.to_owned() };
    if !is_web_url(&url) {
        return Err(Issue::with_cell(
            cell,
            "is not the address of an image, which is left out; it must start with https:// or http://",
        ));
    }
    if url.chars().count() > URL_CHARS {
        return Err(Issue::with_cell(cell, format!("is longer than {URL_CHARS} characters; the image is left out")));
    }
    Ok(Some(url))
}

fn is_web_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let has_host = rest.starts_with(|first: char| first.is_alphanumeric() || first == '[');
    is_web && has_host && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{the_error, the_product},
        *,
    };

    fn rejected<T>(cell: &str, message: &str) -> Result<T, Issue> {
        Err(Issue::with_cell(cell, message))
    }

    #[test]
    fn prices_have_the_decimals_of_the_currency() {
        for valid in ["0", "0.00", "19.9", "19.90", "9999999999.99"] {
            assert_eq!(price(valid, 2), Ok(valid.to_owned()));
        }
        assert_eq!(price("19.9000", 2), Ok("19.90".to_owned()));
        assert_eq!(price("1500.00", 0), Ok("1500".to_owned()));
        assert_eq!(price("1500", 0), Ok("1500".to_owned()));
        assert_eq!(price("1.250", 3), Ok("1.250".to_owned()));
        for invalid in ["12,x", "1,50", "-1", "+1", "1e3", ".5", "5.", ".", "1.2.3", "$5", "NaN", "٣"] {
            assert_eq!(price(invalid, 2), rejected(invalid, "is not a price; write it like 19.90"));
        }
        assert_eq!(price("1.005", 2), rejected("1.005", "has more than 2 decimals; write it like 19.90"));
        assert_eq!(price("1.5", 0), rejected("1.5", "has more than 0 decimals; write it like 19"));
        assert_eq!(price("", 3), Err(Issue::new("is empty; every variant needs a price, like 19.900")));
    }

    #[test]
    fn prices_have_a_maximum() {
        for huge in ["10000000000", "99999999999999999999999"] {
            assert_eq!(price(huge, 2), rejected(huge, "is too much; at most 9999999999.99 fits"));
        }
        assert_eq!(price("999999999999", 0), Ok("999999999999".to_owned()));
        assert_eq!(price("1000000000000", 0), rejected("1000000000000", "is too much; at most 999999999999 fits"));
        assert!(price("999999999.999", 3).is_ok() && price("1000000000", 3).is_err());
    }

    #[test]
    fn stock_is_a_whole_number_of_pieces() {
        assert_eq!(
            (quantity(""), quantity("0"), quantity("2147483647")),
            (Ok(None), Ok(Some(0)), Ok(Some(2_147_483_647)))
        );
        assert_eq!((quantity("-3"), quantity("50.0"), quantity("-2.00")), (Ok(Some(-3)), Ok(Some(50)), Ok(Some(-2))));
        for odd in ["1.5", "1,000", "-", "many", "1.", "--1"] {
            assert_eq!(quantity(odd), rejected(odd, "is not a number of pieces; write it like 12"));
        }
        for many in ["2147483648", "99999999999999999999999"] {
            assert_eq!(quantity(many), rejected(many, "is too many; at most 2147483647 fit"));
        }
        assert_eq!(quantity("-99999999999999999999999"), Ok(Some(-MAX_STOCK)));
    }

    #[test]
    fn images_come_from_the_web() {
        for valid in ["https://e.com/a.png", "HTTP://E.com", "https://[::1]/ä.png?v=1"] {
            assert_eq!(image(valid), Ok(Some(valid.to_owned())));
        }
        assert_eq!(image("//cdn.e.com/a.png"), Ok(Some("https://cdn.e.com/a.png".to_owned())));
        for invalid in ["a.png", "ftp://e.com/a", "javascript:alert(1)", "https://", "https:///a", "https://e.com/a b"]
        {
            let message = "is not the address of an image, which is left out; it must start with https:// or http://";
            assert_eq!(image(invalid), rejected(invalid, message));
        }
        assert!(image(&format!("https://e.com/{}", "a".repeat(URL_CHARS))).is_err());
    }

    #[test]
    fn only_what_is_active_and_published_is_on_sale() {
        let is_active = |status, published| the_product(&[("Status", status), ("Published", published)]).is_active;
        assert!(is_active("", "") && is_active("Active", "true") && is_active("active", ""));
        assert!(!is_active("draft", "TRUE") && !is_active("Archived", "") && !is_active("unlisted", ""));
        assert!(!is_active("active", "FALSE") && !is_active("", "false"));
    }

    #[test]
    fn the_category_is_the_type_or_the_end_of_shopifys_path() {
        let path = ("Product Category", "Apparel & Accessories > Clothing > Shirts");
        assert_eq!(the_product(&[path]).category.as_deref(), Some("Shirts"));
        assert_eq!(the_product(&[path, ("Type", "Tops")]).category.as_deref(), Some("Tops"));
        assert_eq!(the_product(&[("Product Category", "Uncategorized")]).category, None);
    }

    #[test]
    fn every_error_names_its_line_and_column() {
        let error_of = |column, cell: &str| {
            let error = the_error(&[(column, cell), ("Handle", "mug"), ("Title", "Mug"), ("Variant Price", "1")]);
            error.strip_prefix(&format!("column {column:?} ")).expect("its column").to_owned()
        };
        let status = "is not a status; write active, draft or archived: line 2 (\"live\")";
        assert_eq!(error_of("Status", "live"), status);
        assert_eq!(error_of("Published", "maybe"), "is neither true nor false; write one of them: line 2 (\"maybe\")");
        assert!(error_of("Variant Inventory Qty", "few").contains("is not a number of pieces"));
        for column in ["Handle", "Title", "Vendor", "Type", "Product Category", "Variant SKU"] {
            assert!(
                error_of(column, &"é".repeat(256)).starts_with("is too long; at most 255 characters fit: line 2 (\"é")
            );
            assert_eq!(error_of(column, "a\0b"), "contains a NUL character; remove it: line 2");
        }
        assert_eq!(error_of("Body (HTML)", "a\0b"), "contains a NUL character; remove it: line 2");
    }

    #[test]
    fn lengths_count_characters() {
        assert_eq!(the_product(&[("Vendor", &"é".repeat(255))]).brand.unwrap().chars().count(), 255);
        let body = format!("<p>{}</p>", "é".repeat(10_000));
        assert_eq!(the_product(&[("Body (HTML)", &body)]).description.chars().count(), 10_000);
    }

    #[test]
    fn long_text_is_cut_after_a_word() {
        assert_eq!(truncate("a mug of tea".to_owned(), 12), ("a mug of tea".to_owned(), true));
        assert_eq!(truncate("a mug of tea".to_owned(), 11), ("a mug of …".to_owned(), false));
        assert_eq!(truncate("é".repeat(9), 5), ("ééé …".to_owned(), false));
        let name = the_product(&[("Option1 Value", &"long ".repeat(60))]).name;
        assert!(name.ends_with("long …") && name.chars().count() <= 255, "{name}");
    }

    #[test]
    fn messages_quote_cells_briefly_and_harmlessly() {
        assert_eq!(quoted("\u{1b}[31m"), "\"\\u{1b}[31m\"");
        assert_eq!(quoted(&"9".repeat(100)).chars().count(), 43);
    }
}
