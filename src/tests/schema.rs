//! What no compiler checks: every SQL text is understood by both engines, and both have the same tables.

use std::{collections::BTreeMap, path::PathBuf};

use platform::db::{Db, Dialect};

use crate::support::{Engine, TestShop, database, run, sources};

/// What a column of an answer may be: what the rows of the program are made of on both engines. A literal `1` or a
/// `COUNT` over one is an INTEGER on SQLite, whatever reads it, and on PostgreSQL an INT4 or a NUMERIC that no `i64` reads.
/// `NULL` is what SQLite cannot tell of an expression.
const SQLITE_TYPES: [&str; 5] = ["INTEGER", "TEXT", "BLOB", "BOOLEAN", "NULL"];
const POSTGRES_TYPES: [&str; 6] = ["INT8", "TEXT", "BYTEA", "BOOL", "TIMESTAMPTZ", "UUID"];

on_both_engines! {
    async fn every_column_of_an_answer_has_a_type_that_both_engines_read(shop: TestShop) {
        let known = match shop.db().query("SELECT 1").dialect() {
            Dialect::Sqlite => &SQLITE_TYPES[..],
            Dialect::Postgres => &POSTGRES_TYPES,
        };
        let mut odd = Vec::new();
        for (place, sql) in statements() {
            let columns = shop.db().query(String::leak(sql.clone())).prepare().await.expect("it is understood");
            odd.extend(
                columns
                    .into_iter()
                    .filter(|(_, kind)| !known.contains(&kind.as_str()))
                    .map(|(name, kind)| format!("{place}: {name} is {kind}\n  {sql}")),
            );
        }
        assert!(odd.is_empty(), "{}", odd.join("\n"));
    }

    async fn every_statement_is_understood(shop: TestShop) {
        let statements = statements();
        assert!(statements.len() > 80, "only {} statements were found", statements.len());
        let mut refused = Vec::new();
        for (place, sql) in statements {
            if let Err(error) = shop.db().query(String::leak(sql.clone())).prepare().await {
                refused.push(format!("{place}: {error}\n  {sql}"));
            }
        }
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }
}

#[test]
fn both_engines_have_the_same_tables() {
    run(async {
        if database::postgres_url().is_none() {
            return;
        }
        let mut tables = Vec::new();
        for (engine, columns) in [(Engine::Sqlite, SQLITE_COLUMNS), (Engine::Postgres, POSTGRES_COLUMNS)] {
            let shop = TestShop::opens(engine).await.expect("a shop on either engine");
            tables.push(columns_of(shop.db(), columns).await);
            shop.closes().await;
        }
        assert!(tables[0].len() > 80);
        assert_eq!(tables[0], tables[1]);
    });
}

/// Table and column, and whether it may be null. What SQLite keeps for its search has no match.
const SQLITE_COLUMNS: &str = "
    SELECT t.name || '.' || c.name, CAST(c.\"notnull\" = 0 AND c.pk = 0 AS BIGINT)
    FROM sqlite_master t JOIN pragma_table_xinfo(t.name) c
    WHERE t.type = 'table' AND c.hidden <> 1 AND t.name NOT LIKE 'product\\_search%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
      AND t.name <> '_sqlx_migrations'";

const POSTGRES_COLUMNS: &str = "
    SELECT CAST(table_name || '.' || column_name AS TEXT), CAST(CASE is_nullable WHEN 'YES' THEN 1 ELSE 0 END AS BIGINT)
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'";

async fn columns_of(db: &Db, sql: &'static str) -> BTreeMap<String, bool> {
    let columns: Vec<(String, i64)> = db.query(sql).fetch_all().await.expect("the columns");
    columns.into_iter().map(|(name, nullable)| (name, nullable == 1)).collect()
}

#[test]
fn statements_are_found_also_when_they_are_put_together_from_parts() {
    let code = r#"
        macro_rules! thing_columns {
            () => {
                "id, name"
            };
        }
        tx.query(concat!("SELECT ", thing_columns!(), " FROM things
            WHERE id = $1")).bind(id);
        tx.query("SELECT 1");
        tx.query(sql);
    "#;
    let columns = lists_of_columns(code);
    let found: Vec<_> = code.match_indices("query(").map(|(at, _)| statement(&code[at + 6..], &columns)).collect();
    let whole = "SELECT id, name FROM things\n            WHERE id = $1".to_owned();
    assert_eq!(found, [Some(whole), Some("SELECT 1".to_owned()), None]);
}

/// Every text that stands right behind `query(` in the program, with where it stands; also one that `concat!` puts together
/// from texts and lists of columns.
fn statements() -> Vec<(String, String)> {
    let sources = sources();
    let columns: BTreeMap<String, String> = sources.iter().flat_map(|(_, code)| lists_of_columns(code)).collect();
    let mut found = Vec::new();
    for (file, code) in &sources {
        for (at, _) in code.match_indices("query(") {
            let Some(sql) = statement(&code[at + "query(".len()..], &columns) else { continue };
            let next = (1..99).find(|number| !sql.contains(&format!("${number}"))).expect("a number nobody used");
            if sql.ends_with("(VALUES") {
                continue; // its rows and its end are pushed behind it
            }
            let sql = if sql.ends_with(" VALUES") { with_a_row(&sql) } else { sql };
            let sql = if sql.ends_with(" IN") { format!("{sql} (${next})") } else { sql }; // a list is pushed behind it
            found.push((format!("{}, statement {}", file.display(), found.len() + 1), sql));
        }
    }
    found
}

/// `INSERT INTO things (id, name) VALUES` with a row of values.
fn with_a_row(sql: &str) -> String {
    let columns = sql.split(['(', ')']).nth(1).expect("a list of columns").split(',').count();
    let values: Vec<String> = (1..=columns).map(|number| format!("${number}")).collect();
    format!("{sql} ({})", values.join(", "))
}

/// The code of the program without its comments, file by file.
fn sources() -> Vec<(PathBuf, String)> {
    let without_comments = |(file, text): (PathBuf, String)| {
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        (file, code.join("\n"))
    };
    sources::all().into_iter().map(without_comments).collect()
}

/// The macros whose name ends in `_columns`, each with the one text it stands for.
fn lists_of_columns(code: &str) -> BTreeMap<String, String> {
    let macros = code.split("macro_rules! ").skip(1).filter_map(|rest| {
        let (name, body) = rest.split_once(" {")?;
        name.ends_with("_columns").then(|| (name.to_owned(), body.split('"').nth(1).expect("a list").to_owned()))
    });
    macros.collect()
}

/// The statement at the beginning of this code, if there is one.
fn statement(code: &str, columns: &BTreeMap<String, String>) -> Option<String> {
    let code = code.trim_start();
    let sql = match code.strip_prefix("concat!(") {
        Some(parts) => put_together(parts, columns),
        None => code.strip_prefix('"')?.split_once('"').expect("a text ends").0.to_owned(),
    };
    Some(sql.replace("\\\n", ""))
}

/// What `concat!` makes of these arguments.
fn put_together(mut rest: &str, columns: &BTreeMap<String, String>) -> String {
    let mut sql = String::new();
    loop {
        rest = rest.trim_start_matches([',', ' ', '\n']);
        if rest.starts_with(')') {
            return sql;
        }
        if let Some(text) = rest.strip_prefix('"') {
            let (text, behind) = text.split_once('"').expect("a text ends");
            sql.push_str(text);
            rest = behind;
        } else {
            let (name, behind) = rest.split_once("!()").expect("a macro without arguments");
            sql.push_str(columns.get(name).unwrap_or_else(|| panic!("{name} is no list of columns")));
            rest = behind;
        }
    }
}
