//! The floors of the house: who may know whom, read from the imports of the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use crate::support::sources::{self, root};

/// From the ground up: each knows those before it, and none behind.
const FLOORS: [&str; 14] = [
    "shop",
    "accounts",
    "catalog",
    "inventory",
    "pricing",
    "carts",
    "orders",
    "payments",
    "reviews",
    "wishlists",
    "checkout",
    "dashboard",
    "retention",
    "app",
];

#[test]
fn features_import_only_those_below() {
    let mut faults = Vec::new();
    for (feature, known) in imports() {
        let floor = |name: &str| FLOORS.iter().position(|floor| *floor == name);
        let own = floor(&feature).unwrap_or_else(|| panic!("{feature} has no floor; give it one in FLOORS"));
        let above = known.into_iter().filter(|name| floor(name).is_none_or(|floor| floor > own));
        faults.extend(above.map(|name| format!("{feature} knows {name}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn imports_are_parsed() {
    let text = "use crate::{\n    accounts::{self, carts},\n    shop::ids,\n};\nfn f() { crate::orders::find() }";
    assert_eq!(known(text), ["accounts", "orders", "shop"].map(str::to_owned).into());
}

#[test]
fn the_sql_of_a_feature_is_its_own() {
    let open: Vec<_> = sources::of("src").into_iter().filter(|(_, text)| text.contains("pub mod store;")).collect();
    assert!(open.is_empty(), "{open:?}");
}

/// What a domain error is over HTTP stands beside the endpoints; verbs and jobs answer with the error.
#[test]
fn verbs_and_jobs_import_no_problems() {
    let app = root().join("src/app");
    let speaks_http = |path: &Path| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        path.starts_with(&app)
            || path.components().any(|part| part.as_os_str() == "api")
            || name == "api"
            || name.ends_with("_api")
            || ["problems", "limits", "signed_in"].contains(&name)
    };
    let knows =
        |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| ["Problem", "ApiResult"].contains(&word));
    let faults: Vec<_> = sources::of("src")
        .into_iter()
        .filter(|(path, text)| knows(text) && !speaks_http(path))
        .map(|(path, _)| path)
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn the_platform_and_the_simulator_import_no_shop() {
    for name in ["platform", "payment-simulator"] {
        let manifest = fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).expect("its manifest");
        assert!(!manifest.contains("cartwright ="), "{name} knows the shop");
    }
}

#[test]
fn only_the_app_imports_the_simulator() {
    let app = root().join("src/app");
    let knows = |(path, text): &(PathBuf, String)| text.contains("payment_simulator") && !path.starts_with(&app);
    let faults: Vec<_> = sources::of("src").into_iter().filter(knows).map(|(path, _)| path).collect();
    assert!(faults.is_empty(), "{faults:?}");
}

/// Which features each feature names.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources::of("src") {
        let path = path.strip_prefix(root().join("src")).expect("a source below src");
        let feature = path.iter().next().and_then(|part| part.to_str()).expect("a name").to_owned();
        if root().join("src").join(&feature).is_dir() {
            imports
                .entry(feature.clone())
                .or_default()
                .extend(known(&text).into_iter().filter(|name| *name != feature));
        }
    }
    imports
}

/// The names that stand right behind `crate::`, also in a group.
fn known(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let name =
        |text: &str| text.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
    let mut known = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let path = &code[at + "crate::".len()..];
        match path.strip_prefix('{') {
            Some(group) => known.extend(entries(group).into_iter().map(name)),
            None => known.extend([name(path)]),
        }
    }
    known
}

/// What stands between the commas of a group, up to its end.
fn entries(group: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut entries) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                entries.push(&group[begin..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                entries.push(&group[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    entries.into_iter().filter(|entry| !entry.trim().is_empty()).collect()
}
