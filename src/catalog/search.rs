//! Full-text search: the one place where the engines differ, behind one function.
//!
//! A term is found anywhere in a word. Both engines index three-letter pieces: SQLite in an FTS5 table with the trigram
//! tokenizer, PostgreSQL in a pg_trgm index that LIKE uses. Text and terms are lower-cased by Rust, so that both agree
//! on what a letter is.
//!
//! What a search costs has a bound, for anybody may search. Only its longest term is looked up; the others are asked of
//! what that found, one product after another. A term that is shorter than a piece is in no index of pieces: it is looked
//! for in names alone, which have an index that is read through quickly, and finds the first thousand. So it narrows beside
//! a longer term, and by itself it finds what is called by it.

use std::collections::HashSet;

use platform::db::{Dialect, Query, containing};

/// The most terms of one search; the others are not asked for.
const MAX_TERMS: usize = 6;
/// The letters of a piece.
const PIECE: usize = 3;
/// So much of a term is looked up; each piece costs.
const LOOKED_UP: usize = 32;

/// Splits what a customer typed: on spaces and commas, quoted phrases whole.
#[must_use]
pub fn terms(typed: &str) -> Vec<String> {
    let lower = typed.to_lowercase();
    let quoted = lower.split('"').enumerate();
    let mut known = HashSet::new();
    quoted
        .flat_map(|(index, part)| match index % 2 {
            1 => vec![part.trim().to_owned()],
            _ => part.split([' ', ',', '\t', '\n']).map(ToOwned::to_owned).collect(),
        })
        .filter(|term| !term.is_empty() && known.insert(term.clone()))
        .take(MAX_TERMS)
        .collect()
}

/// SQL with the condition that a text has the term, as the engine says it.
macro_rules! has_term {
    ($dialect:expr, $before:literal, $text:literal, $after:literal) => {
        match $dialect {
            Dialect::Postgres => concat!($before, "strpos(", $text, ", $?) > 0", $after),
            Dialect::Sqlite => concat!($before, "instr(", $text, ", $?) > 0", $after),
        }
    };
}

/// Narrows `products p` to those that have every term in name, description, category or brand. `shown`: whether the list
/// is one of active products, or of inactive ones.
pub fn narrow<'a>(query: Query<'a>, terms: &[String], shown: Option<bool>) -> Query<'a> {
    let Some(longest) = terms.iter().max_by_key(|term| term.chars().count()) else { return query };
    let looked_up: String = longest.chars().take(LOOKED_UP).collect();
    let query = match looked_up.chars().count() {
        PIECE.. => look_up(query, &looked_up),
        _ => look_up_in_names(query, &looked_up, shown),
    };
    let others = terms.iter().filter(|term| **term != looked_up);
    others.fold(query, |query, term| ask_each(query, term))
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

/// Each of the three finds a thousand at most, in the order of an index, so that it need not read on.
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

fn ask_each<'a>(query: Query<'a>, term: &str) -> Query<'a> {
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
    fn what_is_typed_becomes_terms() {
        assert_eq!(terms("Oak  shelf,lamp"), ["oak", "shelf", "lamp"]);
        assert_eq!(terms("\"oak shelf\" lamp"), ["oak shelf", "lamp"]);
        assert_eq!(terms("\"unclosed phrase"), ["unclosed phrase"]);
        assert_eq!(terms("  \"\" , "), Vec::<String>::new());
        assert_eq!(terms("oak Oak shelf"), ["oak", "shelf"]);
        assert_eq!(terms("a b c d e f g h"), ["a", "b", "c", "d", "e", "f"]);
    }
}
