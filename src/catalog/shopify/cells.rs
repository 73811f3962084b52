//! What a cell may hold. Each function answers the value or says what is wrong with it, without the place: that is the
//! reader's to add.

use super::plain_text::plain_text;
use crate::money::MAX_MONEY;

const NAME_CHARS: usize = 255;
const DESCRIPTION_CHARS: usize = 10_000;
const URL_CHARS: usize = 2_048;
const MOST_STOCK: i64 = i32::MAX as i64;

pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A cell as a message quotes it: short, and with nothing in it that a terminal would obey.
pub fn shown(cell: &str) -> String {
    const MOST: usize = 40;
    if cell.chars().count() <= MOST {
        return format!("{cell:?}");
    }
    format!("{:?}", cell.chars().take(MOST).chain(['…']).collect::<String>())
}

/// The text, if a product may be called by it: as its name or its SKU.
pub fn name(text: String) -> Result<String, String> {
    storable(text, NAME_CHARS)
}

fn storable(text: String, most: usize) -> Result<String, String> {
    if text.contains('\0') {
        return Err("contains a NUL character; remove it".to_owned());
    }
    let length = text.chars().count();
    if length > most { Err(format!("is {length} characters long; at most {most} fit")) } else { Ok(text) }
}

pub fn required(cell: &str) -> Result<String, String> {
    optional(cell)?.ok_or_else(|| "is empty; every product needs one".to_owned())
}

pub fn optional(cell: &str) -> Result<Option<String>, String> {
    let text = name(one_line(cell))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// The end of a path like `Apparel > Clothing > Shirts`, as it says what the product is.
pub fn end_of_path(cell: &str) -> Result<Option<String>, String> {
    let end = optional(cell.rsplit('>').next().unwrap_or_default())?;
    Ok(end.filter(|end| end != "Uncategorized"))
}

pub fn description(cell: &str) -> Result<String, String> {
    storable(plain_text(cell), DESCRIPTION_CHARS)
}

pub fn is_on_sale(cell: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "" | "active" => Ok(true),
        // An unlisted product is sold only to those who know its address; there is no such thing here.
        "draft" | "archived" | "unlisted" => Ok(false),
        _ => Err(format!("{} is not a status; write active, draft or archived", shown(cell))),
    }
}

pub fn is_published(cell: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{} is neither true nor false; write one of them", shown(cell))),
    }
}

pub fn price(cell: &str, decimals: u8) -> Result<String, String> {
    let example = if decimals == 0 { "19".to_owned() } else { format!("19.{:0<1$}", 9, usize::from(decimals)) };
    if cell.is_empty() {
        return Err(format!("is empty; every variant needs a price, like {example}"));
    }
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(format!("{} is not a price; write it like {example}", shown(cell)));
    }
    let places = usize::from(decimals);
    let (kept, surplus) = fraction.split_at(fraction.len().min(places));
    if surplus.bytes().any(|digit| digit != b'0') {
        return Err(format!("{} has more than {decimals} decimals; write it like {example}", shown(cell)));
    }
    let minor = format!("{whole}{kept:0<places$}").parse().unwrap_or(i64::MAX);
    if minor > MAX_MONEY.0 {
        return Err(format!("{} is too much; at most {} fits", shown(cell), most_money(places)));
    }
    Ok(if cell.contains('.') && places > 0 { format!("{whole}.{kept}") } else { whole.to_owned() })
}

fn most_money(places: usize) -> String {
    let digits = MAX_MONEY.0.to_string();
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

pub fn stock(cell: &str) -> Result<Option<i64>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    if cell.strip_prefix('-').is_some_and(is_digits) {
        return Err(format!("{} is below zero; write 0 when it is sold out", shown(cell)));
    }
    if !is_digits(cell) {
        return Err(format!("{} is not a number of pieces; write it like 12", shown(cell)));
    }
    let too_many = || format!("{} is too many; at most {MOST_STOCK} fit", shown(cell));
    cell.parse().ok().filter(|stock| *stock <= MOST_STOCK).map(Some).ok_or_else(too_many)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub fn image(cell: &str) -> Result<Option<String>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    if !is_web_address(cell) {
        return Err(format!("{} is not the address of an image; it must start with https:// or http://", shown(cell)));
    }
    storable(cell.to_owned(), URL_CHARS).map(Some)
}

fn is_web_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let has_host = rest.starts_with(|first: char| first.is_alphanumeric() || first == '[');
    is_web && has_host && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{the_fault, the_product},
        *,
    };

    #[test]
    fn prices_have_the_decimals_of_the_currency() {
        for sound in ["0", "0.00", "19.9", "19.90", "9999999999.99"] {
            assert_eq!(price(sound, 2), Ok(sound.to_owned()));
        }
        assert_eq!(price("19.9000", 2), Ok("19.90".to_owned()));
        assert_eq!(price("1500.00", 0), Ok("1500".to_owned()));
        assert_eq!(price("1500", 0), Ok("1500".to_owned()));
        assert_eq!(price("1.250", 3), Ok("1.250".to_owned()));
        for unsound in ["12,x", "1,50", "-1", "+1", "1e3", ".5", "5.", ".", "1.2.3", "$5", "NaN", "٣"] {
            assert_eq!(price(unsound, 2), Err(format!("{unsound:?} is not a price; write it like 19.90")));
        }
        assert_eq!(price("1.005", 2), Err("\"1.005\" has more than 2 decimals; write it like 19.90".to_owned()));
        assert_eq!(price("1.5", 0), Err("\"1.5\" has more than 0 decimals; write it like 19".to_owned()));
        assert_eq!(price("", 3), Err("is empty; every variant needs a price, like 19.900".to_owned()));
    }

    #[test]
    fn prices_end_where_money_ends() {
        for huge in ["10000000000", "99999999999999999999999"] {
            assert_eq!(price(huge, 2), Err(format!("{huge:?} is too much; at most 9999999999.99 fits")));
        }
        assert_eq!(price("999999999999", 0), Ok("999999999999".to_owned()));
        assert_eq!(
            price("1000000000000", 0),
            Err("\"1000000000000\" is too much; at most 999999999999 fits".to_owned())
        );
        assert!(price("999999999.999", 3).is_ok() && price("1000000000", 3).is_err());
    }

    #[test]
    fn stock_is_a_whole_number_of_pieces() {
        assert_eq!((stock(""), stock("0"), stock("2147483647")), (Ok(None), Ok(Some(0)), Ok(Some(2_147_483_647))));
        assert_eq!(stock("-3"), Err("\"-3\" is below zero; write 0 when it is sold out".to_owned()));
        assert_eq!(stock("1.5"), Err("\"1.5\" is not a number of pieces; write it like 12".to_owned()));
        for many in ["2147483648", "99999999999999999999999"] {
            assert_eq!(stock(many), Err(format!("{many:?} is too many; at most 2147483647 fit")));
        }
    }

    #[test]
    fn images_come_from_the_web() {
        for sound in ["https://e.com/a.png", "HTTP://E.com", "https://[::1]/ä.png?v=1"] {
            assert_eq!(image(sound), Ok(Some(sound.to_owned())));
        }
        for unsound in ["a.png", "ftp://e.com/a", "javascript:alert(1)", "https://", "https:///a", "https://e.com/a b"]
        {
            let message = format!("{unsound:?} is not the address of an image; it must start with https:// or http://");
            assert_eq!(image(unsound), Err(message));
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
    fn every_fault_names_its_line_and_column() {
        let fault = |column, cell: &str| {
            let message = the_fault(&[(column, cell), ("Handle", "mug"), ("Title", "Mug"), ("Variant Price", "1")]);
            message.strip_prefix(&format!("line 2, column {column:?}: ")).expect("its column").to_owned()
        };
        assert_eq!(fault("Status", "live"), "\"live\" is not a status; write active, draft or archived");
        assert_eq!(fault("Published", "maybe"), "\"maybe\" is neither true nor false; write one of them");
        assert!(fault("Variant Inventory Qty", "-1").contains("is below zero"));
        assert!(fault("Image Src", "mug.png").contains("is not the address of an image"));
        assert!(fault("Variant Image", "mug.png").contains("is not the address of an image"));
        for column in ["Handle", "Title", "Vendor", "Type", "Product Category", "Variant SKU"] {
            assert_eq!(fault(column, &"é".repeat(256)), "is 256 characters long; at most 255 fit");
            assert_eq!(fault(column, "a\0b"), "contains a NUL character; remove it");
        }
        assert_eq!(fault("Body (HTML)", "a\0b"), "contains a NUL character; remove it");
        assert_eq!(fault("Body (HTML)", &"a".repeat(10_001)), "is 10001 characters long; at most 10000 fit");
        let long = fault("Option1 Value", &"é".repeat(250));
        assert_eq!(long, "with the title, the name is 256 characters long; at most 255 fit");
    }

    #[test]
    fn lengths_count_characters() {
        assert_eq!(the_product(&[("Vendor", &"é".repeat(255))]).brand.unwrap().chars().count(), 255);
        let body = format!("<p>{}</p>", "é".repeat(10_000));
        assert_eq!(the_product(&[("Body (HTML)", &body)]).description.chars().count(), 10_000);
    }

    #[test]
    fn messages_quote_cells_briefly_and_harmlessly() {
        assert_eq!(shown("\u{1b}[31m"), "\"\\u{1b}[31m\"");
        assert_eq!(shown(&"9".repeat(100)).chars().count(), 43);
    }
}
