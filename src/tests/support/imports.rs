//! `cartwright import products`, run as the program that it is, beside the shop.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use cartwright::app::settings::Settings;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::TestShop;

/// What an import said, and how it ended.
#[derive(Debug)]
pub struct Import {
    pub status: Option<i32>,
    /// The result, on stdout.
    pub result: String,
    /// Everything else, on stderr.
    pub stderr: String,
}

impl Import {
    /// # Panics
    /// When it failed, or had another result.
    #[track_caller]
    pub fn did(self, result: &str) -> Self {
        assert_eq!((self.status, self.result.trim()), (Some(0), result), "{}", self.stderr);
        self
    }

    /// # Panics
    /// When it did not fail, or said nothing of this.
    #[track_caller]
    pub fn fails_with(self, reason: &str) -> Self {
        assert_eq!((self.status, self.result.trim()), (Some(1), ""), "{}", self.stderr);
        self.reports(reason)
    }

    /// # Panics
    /// When it said nothing of this.
    #[track_caller]
    pub fn reports(self, what: &str) -> Self {
        assert!(self.stderr.contains(what), "{what:?} is not in:\n{}", self.stderr);
        self
    }
}

impl From<Output> for Import {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a program speaks UTF-8");
        Self { status: output.status.code(), result: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl TestShop {
    /// Imports a file and waits for the end.
    pub async fn imports(&self, csv: &str, flags: &[&str]) -> Import {
        let import = self.starts_import(csv, flags);
        let ended = tokio::task::spawn_blocking(|| import.wait_with_output()).await;
        ended.expect("a thread to wait in").expect("an import that ends").into()
    }

    /// The same, of what comes in by standard input.
    pub fn imports_from_stdin(&self, csv: &str) -> Import {
        let sent = File::open(self.export(csv)).expect("the export");
        let import = self.import(Path::new("-"), &[], sent.into());
        import.wait_with_output().expect("an import that ends").into()
    }

    /// Starts an import that goes on by itself.
    pub fn starts_import(&self, csv: &str, flags: &[&str]) -> Child {
        self.import(&self.export(csv), flags, Stdio::null())
    }

    fn import(&self, file: &Path, flags: &[&str], input: Stdio) -> Child {
        let settings = &self.inside().get::<Settings>();
        Command::new(env!("CARGO_BIN_EXE_cartwright"))
            .args(["import", "products"])
            .arg(file)
            .args(flags)
            .current_dir(&settings.data_dir)
            .env_clear()
            .env("DATABASE_URL", settings.database_url.expose_secret())
            .env("DATA_DIR", &settings.data_dir)
            .env("JWT_SECRET", settings.accounts.jwt_secret.expose_secret())
            .env("STORE_CURRENCY", settings.store.currency.to_string())
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    fn export(&self, csv: &str) -> PathBuf {
        let folder = self.inside().get::<Settings>().data_dir.join("exports");
        std::fs::create_dir_all(&folder).expect("a folder for exports");
        let file = folder.join("export.csv");
        std::fs::write(&file, csv).expect("an export");
        file
    }

    /// Every product the admin sees, by its name.
    pub async fn products(&self) -> Vec<Value> {
        self.admin().await.get("/api/products?ordering=name&per_page=100").await.is(200).list()
    }

    /// The one product that is called this.
    pub async fn product_named(&self, name: &str) -> Value {
        let shelf = self.products().await;
        shelf
            .into_iter()
            .find(|product| product["name"] == name)
            .unwrap_or_else(|| panic!("no {name:?} is in the catalog"))
    }
}
