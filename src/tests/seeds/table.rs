//! `docs/seeds.md` says which story proves which line. This keeps it from saying what is not so.

use std::{collections::BTreeSet, fs};

use crate::support::{TestShop, sources::root};

on_both_engines! {
    async fn every_row_names_an_address_that_is_served(shop: TestShop) {
        let mut missing = Vec::new();
        for row in rows() {
            for address in &row.addresses {
                if !is_served(&shop, address).await {
                    missing.push(format!("{}, line {}: {address}", row.document, row.line));
                }
            }
            if let (true, [written, canonical]) = (row.names_it, row.addresses.as_slice()) {
                assert_eq!(status_of(&shop, written).await, status_of(&shop, canonical).await, "{row:?}");
            }
        }
        assert!(missing.is_empty(), "docs/seeds.md names what is not served:\n{}", missing.join("\n"));
    }
}

#[test]
fn every_row_names_a_story_that_is_told() {
    let sources = root().join("src/tests/seeds");
    let mut told = BTreeSet::new();
    for row in rows() {
        let (file, story) = row.story.split_once("::").expect("a file and a story");
        let source = fs::read_to_string(sources.join(file).with_extension("rs"));
        let source = source.unwrap_or_else(|error| panic!("{row:?}: {error}"));
        assert!(source.contains(&format!("async fn {story}(shop: TestShop)")), "{row:?} names no story");
        assert_eq!(row.document.replace('-', "_"), file, "{row:?} is proven by another document's story");
        assert!(row.line.split([',', ' ', '–']).any(|line| line.parse::<u32>().is_ok()), "{row:?} names no line");
        told.insert(row.document);
    }
    let documents = ["dashboard-shop", "drop-in-backend", "mini-shop", "scalable-platform", "storefront-plan"];
    assert!(told.iter().map(String::as_str).eq(documents), "{told:?}");
}

/// A row of one of the tables: `document | line | … | story`, with every address in backticks between them.
#[derive(Debug)]
struct Row {
    document: String,
    line: String,
    addresses: Vec<String>,
    /// Whether the document names the address; then the canonical one follows.
    names_it: bool,
    story: String,
}

fn rows() -> Vec<Row> {
    let path = root().join("docs/seeds.md");
    let text = fs::read_to_string(path).expect("docs/seeds.md");
    let rows: Vec<Row> = text.lines().filter_map(row).collect();
    assert!(rows.len() > 80, "only {} rows were found", rows.len());
    rows
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [document, line, between @ .., story] = cells.as_slice() else { return None };
    let story = story.strip_prefix('`')?.strip_suffix('`')?.to_owned();
    let quoted = between.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let addresses = quoted.filter(|text| text.contains(" /")).map(ToOwned::to_owned).collect();
    let names_it = between.first().is_some_and(|cell| cell.starts_with('`'));
    Some(Row { document: (*document).to_owned(), line: (*line).to_owned(), addresses, names_it, story })
}

/// `/api/orders/{id}/` as a client asks for it.
fn with_ids(path: &str) -> String {
    let segment = |part: &str| if part.starts_with('{') { "987".to_owned() } else { part.to_owned() };
    path.split('/').map(segment).collect::<Vec<_>>().join("/").replace("{query}", "mug")
}

/// Something that is not there may be an id nobody has. But then its path is: it does not take OPTIONS.
async fn is_served(shop: &TestShop, address: &str) -> bool {
    match status_of(shop, address).await {
        405 => false,
        404 => status_of(shop, &format!("OPTIONS {}", parts(address).1)).await == 405,
        _ => true,
    }
}

async fn status_of(shop: &TestShop, address: &str) -> u16 {
    let (method, path) = parts(address);
    shop.visitor().asks(method.parse().expect("a method"), &with_ids(path)).await.status
}

fn parts(address: &str) -> (&str, &str) {
    address.split_once(' ').expect("a method and a path")
}
