//! The shop's own words in its e-mails: templates of a folder, and the commands that show what becomes of them.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use cartwright::{
    app::{context, settings::Settings},
    shop::emails::{FILES, Template},
};
use platform::clock::Clock;

use crate::support::{TestShop, sources::root};

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder for the story");
    for (name, source) in files {
        fs::write(folder.path().join(name), source).expect("a template");
    }
    folder
}

fn emails(arguments: &[&str], templates: Option<&Path>, folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cartwright"));
    command.arg("emails").args(arguments).current_dir(folder).env_clear().env("STORE_NAME", "Harbour & Sons");
    command.envs(templates.map(|templates| ("TEMPLATES_DIR", templates))).output().expect("the command runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

on_both_engines! {
    async fn a_shop_replaces_templates_with_its_own(shop: TestShop) {
        let words = folder(&[
            ("verify_email.subject.txt", "Welcome aboard {{ store_name }}"),
            ("verify_email.txt", "{% extends \"layout.txt\" %}{% block message %}Ahoy! {{ link }}\n{% endblock %}"),
            ("layout.html", "{% extends \"builtin/layout.html\" %}{% block footer %}Harbour Ltd, Bath{% endblock %}"),
        ]);
        let templates = Some(words.path().to_owned());
        let own = shop.opens_again(|settings| settings.templates_dir = templates).await;
        own.registers("ada@example.com").await.is(201);
        own.runs_its_jobs().await;
        let mail = own.mail().mails().pop().expect("a mail");
        assert_eq!(mail.subject(), "Welcome aboard Cartwright");
        assert!(mail.text().contains("Cartwright\r\n\r\nHello,\r\n\r\nAhoy! https://shop.test/"), "{}", mail.text());
        assert!(mail.html().contains("Verify my e-mail address"), "what was left out is built in: {}", mail.html());
    }

    async fn a_broken_template_is_told_at_start_in_one_line(shop: TestShop) {
        for (files, told) in [
            (("order_shipped.html", "<p>\n{{ tracking }}</p>"), "order_shipped.html, line 2: there is no tracking; there are "),
            (("order_shipped.txt", "{% block %}"), "order_shipped.txt, line 1: syntax error"),
            (("order_shiped.txt", "Away"), "order_shiped.txt: no template has this name"),
        ] {
            let words = folder(&[files]);
            let mut settings = shop.inside().get::<Settings>().clone();
            settings.templates_dir = Some(words.path().to_owned());
            let refused = context::shop(settings, Clock::default()).err().expect("no shop opens").to_string();
            let start = format!("TEMPLATES_DIR={}: {told}", words.path().display());
            assert!(refused.starts_with(&start) && !refused.contains('\n'), "{refused}");
        }
    }
}

#[test]
fn what_is_exported_is_what_is_built_in_and_is_never_overwritten() {
    let here = folder(&[]);
    assert!(emails(&["export", "mine"], None, here.path()).status.success());
    let mine = here.path().join("mine");
    assert_eq!(fs::read_dir(&mine).expect("the folder").count(), FILES.len());
    assert!(emails(&["render"], Some(&mine), here.path()).status.success());
    let listed = stdout(&emails(&["list"], Some(&mine), here.path()));
    assert_eq!(listed.matches(" yours ").count(), Template::ALL.len(), "{listed}");

    fs::write(mine.join("layout.txt"), "mine").expect("a template");
    let again = emails(&["export", "mine"], None, here.path());
    assert!(!again.status.success() && stderr(&again).contains("layout.txt"), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(mine.join("layout.txt")).expect("the template"), "mine");
}

#[test]
fn every_email_is_rendered_with_example_data() {
    let here = folder(&[]);
    let shipped = emails(&["render", "order_shipped"], None, here.path());
    let text = stdout(&shipped);
    assert!(text.starts_with("Subject: Your order 20250115-7KQ2M9 is on its way\n\nHarbour & Sons\n"), "{text}");
    let html = stdout(&emails(&["render", "order_shipped", "--format", "html"], None, here.path()));
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("Harbour &amp; Sons"), "{html}");
    let eml = stdout(&emails(&["render", "order_shipped", "--format", "eml"], None, here.path()));
    assert!(eml.contains("From: shop@localhost") && eml.contains("multipart/alternative"), "{eml}");

    assert!(emails(&["render", "--out", "all"], None, here.path()).status.success());
    let written = fs::read_dir(here.path().join("all")).expect("the folder").count();
    assert_eq!(written, 3 * Template::ALL.len());
    let unknown = emails(&["render", "order_shiped"], None, here.path());
    assert!(!unknown.status.success() && stderr(&unknown).contains("order_shipped"), "{}", stderr(&unknown));
    let made: Vec<_> =
        fs::read_dir(here.path()).expect("the folder").map(|entry| entry.expect("a name").file_name()).collect();
    assert_eq!(made, ["all"], "nothing else is made");
}

/// docs/emails.md names every e-mail, when it is sent, and what its templates may use.
#[test]
fn the_documentation_of_emails_is_current() {
    let page = fs::read_to_string(root().join("docs/emails.md")).expect("the page");
    for template in Template::ALL {
        let example = template.example();
        let values = example.as_object().expect("the values").keys();
        let own = values.filter(|value| !["store_name", "customer_name"].contains(&value.as_str()));
        let own: Vec<String> = own.map(|value| format!("`{value}`")).collect();
        let row = format!("| `{}` | {} | {} |", template.name(), template.when(), own.join(", "));
        assert!(page.contains(&row), "this row is missing:\n{row}");
    }
    assert_eq!(page.matches("\n| `").count(), Template::ALL.len(), "no row is about anything else");
}

#[test]
fn every_fault_is_told_with_its_file_and_line() {
    let words =
        folder(&[("layout.txt", "Hello\n{{ nothing }}"), ("order_shipped.html", "{% if %}"), ("notes.md", "to do")]);
    let here = folder(&[]);
    let told = emails(&["render", "low_stock"], Some(words.path()), here.path());
    assert_eq!(told.status.code(), Some(1));
    let faults = stdout(&told);
    for fault in
        ["FAIL  layout.txt, line 2: there is no nothing", "FAIL  order_shipped.html, line 1: ", "FAIL  notes.md: "]
    {
        assert!(faults.contains(fault), "{fault:?} is missing:\n{faults}");
    }
    assert_eq!(stderr(&told).lines().count(), 1, "{}", stderr(&told));
}
