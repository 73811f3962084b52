//! Full-text search: the one place where the engines differ, behind one function.
//!
//! A term is found anywhere in a word. Both engines index three-letter pieces: SQLite in an FTS5 table with the trigram
//! tokenizer, PostgreSQL in a pg_trgm index that LIKE uses. Text and terms are lower-cased by Rust, so that both agree
//! on what a letter is. FTS5 has nothing shorter than three letters: such terms are looked for without the index.

use crate::db::{Dialect, Query, containing};

/// The most terms of one search; each costs a look-up.
const MAX_TERMS: usize = 10;

/// Splits what a customer typed: on spaces and commas, quoted phrases whole.
#[must_use]
pub fn terms(typed: &str) -> Vec<String> {
    let lower = typed.to_lowercase();
    let quoted = lower.split('"').enumerate();
    quoted
        .flat_map(|(index, part)| match index % 2 {
            1 => vec![part.trim().to_owned()],
            _ => part.split([' ', ',', '\t', '\n']).map(ToOwned::to_owned).collect(),
        })
        .filter(|term| !term.is_empty())
        .take(MAX_TERMS)
        .collect()
}

/// Narrows `products p` to those that have the term in name, description, category or brand.
pub fn narrow<'a>(query: Query<'a>, dialect: Dialect, term: &str) -> Query<'a> {
    let query = query.push(" AND p.id IN (SELECT id FROM products WHERE ");
    let query = match dialect {
        Dialect::Postgres => query.push_bind("search_text LIKE $?", containing(term)),
        Dialect::Sqlite if term.chars().count() < 3 => query.push_bind("instr(search_text, $?) > 0", term.to_owned()),
        Dialect::Sqlite => {
            query.push_bind("id IN (SELECT rowid FROM product_search WHERE product_search MATCH $?)", phrase(term))
        }
    };
    let (category, brand) = match dialect {
        Dialect::Postgres => (" strpos(search_name, $?) > 0", " strpos(search_name, $?) > 0"),
        Dialect::Sqlite => (" instr(search_name, $?) > 0", " instr(search_name, $?) > 0"),
    };
    query
        .push(" UNION ALL SELECT id FROM products WHERE category_id IN (SELECT id FROM categories WHERE")
        .push_bind(category, term.to_owned())
        .push(") UNION ALL SELECT id FROM products WHERE brand_id IN (SELECT id FROM brands WHERE")
        .push_bind(brand, term.to_owned())
        .push("))")
}

/// Puts products with the term in their name first.
pub fn rank<'a>(query: Query<'a>, dialect: Dialect, term: &str) -> Query<'a> {
    let named = match dialect {
        Dialect::Postgres => " CASE WHEN strpos(p.search_name, $?) > 0 THEN 0 ELSE 1 END,",
        Dialect::Sqlite => " CASE WHEN instr(p.search_name, $?) > 0 THEN 0 ELSE 1 END,",
    };
    query.push_bind(named, term.to_owned())
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
    }
}
