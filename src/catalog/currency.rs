//! The currency of the prices. A price is a number in the store's currency, which is a setting: with another setting the
//! same numbers would be other prices. So the database stores the currency of the prices, a program with another setting
//! does not start, and a command converts all prices together. Orders and payments keep their own currency.

use std::{collections::BTreeMap, fmt, str::FromStr};

use anyhow::bail;
use platform::{
    clock::Timestamp,
    db::{Result, Tx},
    money::{Currency, MAX_MONEY, Money},
};

use super::{Error, Part, any_products};
use crate::{
    catalog,
    shop::{Shop, ids::ProductId},
};

/// Requires that the prices are in `STORE_CURRENCY`. The first start stores it, and a later one can change it as long as there
/// is no product.
///
/// # Errors
/// When the prices are in another currency, with what to do.
pub async fn require(shop: &Shop) -> anyhow::Result<()> {
    let configured = shop.store.currency;
    if stored(&mut shop.db.read().await?).await? == Some(configured) {
        return Ok(());
    }
    let mut tx = shop.db.write().await?;
    if let Some(prices) = of_prices(&mut tx).await?.filter(|prices| *prices != configured)
        && any_products(&mut tx).await?
    {
        bail!(
            "STORE_CURRENCY={configured}: the prices in the database are in {prices}; convert them with \
             `cartwright currency {configured} --rate RATE`, RATE being what 1 {prices} is in {configured}, or set \
             STORE_CURRENCY={prices}"
        );
    }
    store(&mut tx, configured).await?;
    Ok(tx.commit().await?)
}

/// What an order needs to know of a product.
pub struct Offer {
    pub name: String,
    pub price: Money,
    pub is_active: bool,
}

/// The products with these ids that exist, at prices in `STORE_CURRENCY`. Until the transaction ends none is deleted; one
/// that is deactivated meanwhile can still be ordered.
///
/// # Errors
/// When the prices were converted since this program was started, until it is restarted with the new setting.
pub async fn offers(tx: &mut Tx, shop: &Shop, ids: &[ProductId]) -> catalog::Result<BTreeMap<ProductId, Offer>> {
    let mut offers = BTreeMap::new();
    // One statement, so that no price is in another currency than the one it says.
    for (id, name, price, is_active, currency) in priced(tx, ids).await? {
        if currency.is_some_and(|currency| currency != shop.store.currency) {
            return Err(Error::CurrencyChanged);
        }
        offers.insert(id, Offer { name, price, is_active });
    }
    Ok(offers)
}

/// The currency of the prices. A database from before it was stored has that of its newest order; `None` if it has none.
///
/// # Errors
/// When the database is unavailable, or the stored currency is unknown.
pub async fn of_prices(tx: &mut Tx) -> Result<Option<Currency>> {
    match stored(tx).await? {
        Some(stored) => Ok(Some(stored)),
        None => of_newest_order(tx).await,
    }
}

/// What one unit of a currency is in another, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    billionths: u128,
}

const BILLION: u128 = 1_000_000_000;

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let readable = !whole.is_empty() && whole.len() <= 12 && fraction.len() <= 9;
        let billionths = format!("{whole}{fraction:0<9}").parse().ok().filter(|billionths| *billionths > 0);
        billionths
            .filter(|_| readable && digits(whole) && digits(fraction))
            .map(|billionths| Self { billionths })
            .ok_or_else(|| "write a number above 0, like 0.92, with at most 9 decimals".to_owned())
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:09}", self.billionths / BILLION, self.billionths % BILLION);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Rate {
    /// A price in the other currency, rounded to what can be paid, half up; `None` when that is more than a price may be.
    #[must_use]
    pub fn convert(self, price: Money, from: Currency, to: Currency) -> Option<Money> {
        let ten = |decimals: u8| 10_u128.pow(decimals.into());
        let exact = u128::try_from(price.0).ok()?.checked_mul(self.billionths)?.checked_mul(ten(to.decimals))?;
        let unit = BILLION * ten(from.decimals);
        let rounded = (exact + unit / 2) / unit;
        i64::try_from(rounded).ok().map(Money).filter(|money| *money <= MAX_MONEY)
    }
}

/// Converts the prices of all products, or of none. Returns their previous currency, and how many they are.
///
/// # Errors
/// When they are in this currency already, or one of them would become 0 or more than [`MAX_MONEY`].
pub async fn convert_prices(shop: &Shop, to: Currency, rate: Rate) -> anyhow::Result<(Currency, usize)> {
    let mut tx = shop.db.write().await?;
    let now = shop.now();
    let from = of_prices(&mut tx).await?.unwrap_or(shop.store.currency);
    if from == to {
        bail!("the prices are already in {to}; nothing was changed");
    }
    let (mut last, mut converted) = (ProductId(0), 0);
    loop {
        let prices = prices(&mut tx, last).await?;
        let Some((end, _)) = prices.last() else { break };
        last = *end;
        converted += prices.len();
        for (id, price) in prices {
            let Some(converted_price) = rate.convert(price, from, to) else {
                bail!("product {id} would cost more than {}; nothing was changed", to.format(MAX_MONEY));
            };
            if converted_price == Money(0) && price > Money(0) {
                bail!("product {id} would cost nothing; nothing was changed");
            }
            set_price(&mut tx, id, converted_price, now).await?;
        }
    }
    store(&mut tx, to).await?;
    shop.commit_and_invalidate(tx, &[Part::Catalog]).await?;
    Ok((from, converted))
}

// SQL

async fn priced(tx: &mut Tx, ids: &[ProductId]) -> Result<Vec<(ProductId, String, Money, bool, Option<Currency>)>> {
    tx.query(
        "SELECT id, name, price, is_active, (SELECT currency FROM price_currency WHERE id = 1) FROM products WHERE id IN",
    )
    .push_list(ids)
    .push(" ORDER BY id /* FOR KEY SHARE */")
    .fetch_all()
    .await
}

async fn stored(tx: &mut Tx) -> Result<Option<Currency>> {
    let found: Option<(Currency,)> =
        tx.query("SELECT currency FROM price_currency WHERE id = 1").fetch_optional().await?;
    Ok(found.map(|(currency,)| currency))
}

async fn store(tx: &mut Tx, currency: Currency) -> Result<u64> {
    tx.query(
        "INSERT INTO price_currency (id, currency) VALUES (1, $1)
         ON CONFLICT (id) DO UPDATE SET currency = excluded.currency",
    )
    .bind(currency.to_string())
    .execute()
    .await
}

async fn of_newest_order(tx: &mut Tx) -> Result<Option<Currency>> {
    let found: Option<(Currency,)> =
        tx.query("SELECT currency FROM orders ORDER BY created_at DESC, id DESC LIMIT 1").fetch_optional().await?;
    Ok(found.map(|(currency,)| currency))
}

/// The next prices by product.
async fn prices(tx: &mut Tx, after: ProductId) -> Result<Vec<(ProductId, Money)>> {
    tx.query("SELECT id, price FROM products WHERE id > $1 ORDER BY id LIMIT 1000 /* FOR UPDATE */")
        .bind(after)
        .fetch_all()
        .await
}

async fn set_price(tx: &mut Tx, id: ProductId, price: Money, now: Timestamp) -> Result<u64> {
    tx.query("UPDATE products SET price = $2, updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(price)
        .bind(now)
        .execute()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn prices_are_converted_exactly_and_rounded_half_up() {
        for (price, from, to, rate, there) in [
            (12_50, "USD", "EUR", "0.9124", 11_41), // 11.405
            (12_50, "USD", "EUR", "1", 12_50),
            (12_50, "USD", "JPY", "147.36", 1_842),
            (1_842, "JPY", "KWD", "0.00205", 3_776), // 3.7761
            (0, "USD", "EUR", "2", 0),
            (1, "USD", "JPY", "0.000000001", 0),
            (MAX_MONEY.0, "USD", "EUR", "1", MAX_MONEY.0),
        ] {
            let rate: Rate = rate.parse().unwrap();
            assert_eq!(rate.convert(Money(price), currency(from), currency(to)), Some(Money(there)), "{price} {from}");
        }
        let rate: Rate = "999999999999".parse().unwrap();
        assert_eq!(rate.convert(MAX_MONEY, currency("JPY"), currency("KWD")), None);
    }

    #[test]
    fn a_rate_is_a_number_above_nothing_with_at_most_nine_decimals() {
        for text in ["0.92", "1", "147.36", "0.000000001"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for refused in ["", "0", "0.0", "-1", ".5", "1e3", "1,5", "0.0000000001", "1000000000000", "NaN"] {
            assert!(refused.parse::<Rate>().is_err(), "{refused}");
        }
    }
}
