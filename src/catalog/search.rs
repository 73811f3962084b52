//! Full-text search: the one place where the engines differ, behind one function.
//!
//! A term matches anywhere in a word. Both engines index trigrams: SQLite in an FTS5 table with the trigram tokenizer,
//! PostgreSQL in a pg_trgm index that LIKE uses. Rust converts text and terms to lower case, so that both agree on what a
//! letter is.
//!
//! The cost of a search is limited, because anyone can search. Only its longest term uses an index; the others filter what
//! that finds. A term that is shorter than a trigram is in no index of trigrams: alone, it is searched only in names, which
//! have an index that is scanned quickly, and finds at most a thousand each of products, categories and brands.

use std::collections::HashSet;

use platform::db::{Dialect, Query, containing};

/// The most terms of one search; further ones are ignored.
const MAX_TERMS: usize = 6;
/// The characters of a trigram.
const TRIGRAM: usize = 3;
/// How many characters of a term are looked up, because each trigram costs.
const MAX_LOOKED_UP: usize = 32;

/// Splits the text of a search at spaces and commas. A quoted phrase is one term.
#[must_use]
pub fn terms(search: &str) -> Vec<String> {
    let lower = search.to_lowercase();
    let quoted = lower.split('"').enumerate();
    let mut seen = HashSet::new();
    quoted
        .flat_map(|(index, part)| match index % 2 {
            1 => vec![part.trim().to_owned()],
            _ => part.split([' ', ',', '\t', '\n']).map(ToOwned::to_owned).collect(),
        })
        .filter(|term| !term.is_empty() && seen.insert(term.clone()))
        .take(MAX_TERMS)
        .collect()
}

/// The SQL condition that a text contains the term, for each engine.
macro_rules! has_term {
    ($dialect:expr, $before:literal, $text:literal, $after:literal) => {
        match $dialect {
            Dialect::Postgres => concat!($before, "strpos(", $text, ", $?) > 0", $after),
            Dialect::Sqlite => concat!($before, "instr(", $text, ", $?) > 0", $after),
        }
    };
}

/// Narrows `products p` to those that have every term in name, description, category or brand. `shown`: whether the list
/// has only active products, or only inactive ones.
pub fn narrow<'a>(query: Query<'a>, terms: &[String], shown: Option<bool>) -> Query<'a> {
    let Some(longest) = terms.iter().max_by_key(|term| term.chars().count()) else { return query };
    let looked_up: String = longest.chars().take(MAX_LOOKED_UP).collect();
    let query = match looked_up.chars().count() {
        TRIGRAM.. => look_up(query, &looked_up),
        _ => look_up_in_names(query, &looked_up, shown),
    };
    let others = terms.iter().filter(|term| **term != looked_up);
    others.fold(query, |query, term| filter(query, term))
}

fn look_up<'a>(query: Query<'a>, term: &str) -> Query<'a> {
    let dialect = query.dialect();
    let query = query.push(" AND p.id IN (");
    let query = match dialect {
        Dialect::Postgres => query.push_bind("SELECT id FROM products WHERE search_text LIKE $?", containing(term)),
        Dialect::Sqlite => {
            query.push_bind("SELECT rowid FROM product_search WHERE product_search MATCH $?", phrase(term))
        }
    };
    query
        .push(" UNION ALL SELECT id FROM products WHERE category_id IN")
        .push_bind(has_term!(dialect, " (SELECT id FROM categories WHERE ", "search_name", ")"), term.to_owned())
        .push(" UNION ALL SELECT id FROM products WHERE brand_id IN")
        .push_bind(has_term!(dialect, " (SELECT id FROM brands WHERE ", "search_name", ")"), term.to_owned())
        .push(")")
}

/// Each of the three finds at most a thousand, in the order of an index, so that it stops there.
fn look_up_in_names<'a>(query: Query<'a>, term: &str, shown: Option<bool>) -> Query<'a> {
    let dialect = query.dialect();
    let only_shown = |query: Query<'a>| match shown {
        Some(active) => query.push_bind(" AND is_active = $?", active),
        None => query,
    };
    let query = query.push(" AND p.id IN (SELECT id FROM (SELECT id FROM products WHERE");
    let query = query.push_bind(has_term!(dialect, " ", "search_name", ""), term.to_owned());
    let query = only_shown(query).push(" ORDER BY search_name, id LIMIT 1000) AS named");
    let query = query.push(" UNION ALL SELECT id FROM (SELECT id FROM products WHERE category_id IN");
    let of_category = has_term!(dialect, " (SELECT id FROM categories WHERE ", "search_name", ")");
    let query = query.push_bind(of_category, term.to_owned());
    let query = only_shown(query).push(" ORDER BY category_id, id LIMIT 1000) AS of_category");
    let query = query.push(" UNION ALL SELECT id FROM (SELECT id FROM products WHERE brand_id IN");
    let of_brand = has_term!(dialect, " (SELECT id FROM brands WHERE ", "search_name", ")");
    let query = query.push_bind(of_brand, term.to_owned());
    only_shown(query).push(" ORDER BY brand_id, id LIMIT 1000) AS of_brand)")
}

fn filter<'a>(query: Query<'a>, term: &str) -> Query<'a> {
    let dialect = query.dialect();
    query
        .push_bind(has_term!(dialect, " AND (", "p.search_text", ""), term.to_owned())
        .push(" OR p.category_id IN")
        .push_bind(has_term!(dialect, " (SELECT id FROM categories WHERE ", "search_name", ")"), term.to_owned())
        .push(" OR p.brand_id IN")
        .push_bind(has_term!(dialect, " (SELECT id FROM brands WHERE ", "search_name", "))"), term.to_owned())
}

/// Puts products with the term in their name first.
pub fn rank<'a>(query: Query<'a>, term: &str) -> Query<'a> {
    let dialect = query.dialect();
    query.push_bind(has_term!(dialect, " CASE WHEN ", "p.search_name", " THEN 0 ELSE 1 END,"), term.to_owned())
}

fn phrase(term: &str) -> String {
    format!("\"{}\"", term.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::terms;

    #[test]
    fn a_search_is_split_into_terms() {
        assert_eq!(terms("Oak  shelf,lamp"), ["oak", "shelf", "lamp"]);
        assert_eq!(terms("\"oak shelf\" lamp"), ["oak shelf", "lamp"]);
        assert_eq!(terms("\"unclosed phrase"), ["unclosed phrase"]);
        assert_eq!(terms("  \"\" , "), Vec::<String>::new());
        assert_eq!(terms("oak Oak shelf"), ["oak", "shelf"]);
        assert_eq!(terms("a b c d e f g h"), ["a", "b", "c", "d", "e", "f"]);
    }
}
