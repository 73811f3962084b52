//! docs/security.md says what was tried against the shop and held. Its table is made from the stories themselves, so that it
//! names only what is tried at every run.

use std::{fmt::Write, fs, path::PathBuf};

use crate::support::sources::root;

/// A file or a folder, and those of its stories that are meant; with none, all of them.
type Of = (&'static str, &'static [&'static str]);

/// What somebody could be after, and what tries it.
const TRIED: &[(&str, &[Of])] = &[
    ("Tokens: forged, foreign, expired, used for something else", &[("accounts", &[]), ("authorisation", &[])]),
    (
        "Sessions: stolen and replayed tokens, signing out, closing an account",
        &[("sessions", &[]), ("closing", &[]), ("users", &[])],
    ),
    (
        "Every operation by everybody: nobody, the owner, another customer, an admin",
        &[("authorisation", &[]), ("addresses", &["my_orders_are_mine_even_for_an_admin"])],
    ),
    ("Races for stock, carts, orders and money", &[("races", &[]), ("lost_answers", &[])]),
    ("Kills in the middle of the work", &[("crashes", &[])]),
    (
        "Money: totals, currencies, refunds, more or less than asked for, declined cards",
        &[
            ("payments", &[]),
            ("payment_edges", &[]),
            ("received", &[]),
            ("refunds", &[]),
            ("store_currency", &[]),
            ("card_testing", &[]),
        ],
    ),
    (
        "Webhooks: forged, old, doubled, out of order, missing",
        &[("providers", &[]), ("paypal_webhooks", &[]), ("payment_comparison", &[])],
    ),
    (
        "Input: malformed, too much, out of range, meant for another field",
        &[("errors", &[]), ("fields", &[]), ("product_forms", &[])],
    ),
    ("HTTP: heads that two servers read differently, slow bodies, hanging up", &[("http", &[])]),
    ("Searches and lists: what they cost, who waits for them", &[("searches", &[])]),
    ("Caches: stale, poisoned, a Redis that is away or lies", &[("cache", &[]), ("preconditions", &[])]),
    ("Uploads: files that are no image, bombs, endless ones", &[("media", &[])]),
    ("Limits: passwords, e-mails, carts, orders, searches", &[("limits", &[])]),
    (
        "E-mails: links that strangers type, addresses that nobody verified",
        &[("emails", &[]), ("order_emails", &[]), ("email_changes", &[])],
    ),
    ("Files for the import: torn, hostile, enormous", &[("imports", &[])]),
    (
        "Answers of databases and providers that are lost",
        &[("lost_answers", &[]), ("unsent_payments", &[]), ("slow_banks", &[])],
    ),
];

const BEGINS: &str = "<!-- tried: .ci/test security writes this table anew when UPDATE_DOCS is set -->\n";
const ENDS: &str = "<!-- end of tried -->\n";

/// `src/tests/MODULE.rs`, or the folder of a module that has several files.
fn path_of(module: &str) -> String {
    let folder = format!("src/tests/{module}");
    if root().join(&folder).is_dir() { folder } else { format!("{folder}.rs") }
}

fn sources(module: &str) -> Vec<PathBuf> {
    let path = root().join(path_of(module));
    if path.is_file() {
        return vec![path];
    }
    let files = fs::read_dir(&path).unwrap_or_else(|_| panic!("{} has stories", path.display()));
    files.map(|file| file.expect("a file of the folder").path()).collect()
}

/// The stories of a module. Each is told on both engines.
fn stories(module: &str) -> Vec<String> {
    let read = |source: PathBuf| fs::read_to_string(source).expect("a file of stories");
    let text: String = sources(module).into_iter().map(read).collect();
    let names = text.lines().filter_map(|line| {
        let name = line.strip_prefix("    async fn ")?.split(['(', '<']).next()?;
        (line.contains("shop: TestShop)") || line.contains("site: Site)")).then(|| name.to_owned())
    });
    names.collect()
}

fn table() -> String {
    let mut table = "| What was tried | Stories | Where |\n|---|--:|---|\n".to_owned();
    for (tried, files) in TRIED {
        let mut count = 0;
        for (file, named) in *files {
            let all = stories(file);
            named.iter().for_each(|name| assert!(all.iter().any(|story| story == name), "{file}::{name} is no story"));
            count += if named.is_empty() { all.len() } else { named.len() };
        }
        assert!(count > 0, "{tried}: no story");
        let links = files.iter().map(|(file, _)| format!("[`{file}`](../{})", path_of(file)));
        writeln!(table, "| {tried} | {count} | {} |", links.collect::<Vec<_>>().join(", ")).expect("memory");
    }
    table
}

#[test]
fn the_page_says_what_is_tried() {
    let page = root().join("docs/security.md");
    let text = fs::read_to_string(&page).expect("docs/security.md");
    let (before, rest) = text.split_once(BEGINS).expect("where the table begins");
    let (kept, after) = rest.split_once(ENDS).expect("where the table ends");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, [before, BEGINS, "\n", &table(), "\n", ENDS, after].concat())
            .expect("the page can be written");
    } else {
        assert_eq!(kept.trim(), table().trim(), "UPDATE_DOCS=1 .ci/test security writes it anew");
    }
}
