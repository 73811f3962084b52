//! The real programs as processes of their own, to be killed.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use cartwright::{
    accounts::{NewUser, Passwords, Role, register},
    shop::MIGRATIONS,
};
use payment_simulator::{Options, Simulator};
use platform::{clock::Clock, db::Db};
use serde_json::{Value, json};

use super::{Engine, database::Database, folder::folder, http_client, log::StoryLog};

/// A process that is killed when the test ends. What it has logged is then read.
pub struct Program {
    process: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `cartwright`, `email-worker`, … with these settings and no others.
    pub fn start(name: &str, settings: &[(&str, String)], folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let process = Command::new(path_of(name))
            .current_dir(folder)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { process, log }
    }

    /// `kill -9`.
    pub fn dies(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The most memory that it ever held, in MB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024 / 1_000_000
    }

    pub fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// SIGTERM; answers the exit status.
    pub fn stops(mut self) -> Option<i32> {
        let signalled = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(signalled.success());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
        StoryLog::of_this_thread().read_program_log(&self.log);
    }
}

fn path_of(program: &str) -> &'static str {
    match program {
        "cartwright" => env!("CARGO_BIN_EXE_cartwright"),
        "email-worker" => env!("CARGO_BIN_EXE_email-worker"),
        "payment-worker" => env!("CARGO_BIN_EXE_payment-worker"),
        _ => env!("CARGO_BIN_EXE_stock-worker"),
    }
}

/// A database, a folder and an address for real programs.
pub struct Site {
    pub db: Db,
    pub url: String,
    pub folder: Arc<tempfile::TempDir>,
    settings: Vec<(&'static str, String)>,
    http: reqwest::Client,
}

impl Site {
    /// A new one; `None` when its engine is not here.
    pub async fn open(engine: Engine) -> Option<Self> {
        let folder = folder();
        let database = Database::create(engine, folder.path()).await?;
        Some(Self::around(database, folder).await)
    }

    /// One on a database that may be restarted.
    pub async fn open_restartable() -> Option<Self> {
        let database = Database::create_restartable().await?;
        Some(Self::around(database, folder()).await)
    }

    async fn around(database: Database, folder: tempfile::TempDir) -> Self {
        let db = Db::new(&database.url, &MIGRATIONS).unwrap();
        db.migrate().await.unwrap();
        let (address, http) = (free_address(), http_client().build().unwrap());
        let settings = vec![
            ("DATABASE_URL", database.url.clone()),
            ("DATA_DIR", folder.path().join("data").display().to_string()),
            ("JWT_SECRET", "a secret of the crash tests, long enough".to_owned()),
            ("INLINE_WORKERS", "false".to_owned()),
            ("BIND", address.clone()),
            ("RATE_LIMITS", "off".to_owned()), // all customers of a test come from one address
        ];
        Self { folder: Arc::new(folder), db, url: format!("http://{address}"), settings, http }
    }

    /// The same shop at another address: what a second server is.
    pub fn beside(&self) -> Self {
        let address = free_address();
        let mut settings = self.settings.clone();
        settings.push(("BIND", address.clone()));
        let (folder, db, http) = (Arc::clone(&self.folder), self.db.clone(), self.http.clone());
        Self { folder, db, url: format!("http://{address}"), settings, http }
    }

    /// Says that one of its programs warns of this, or calls it an error: a text that is part of the line.
    #[expect(clippy::unused_self, reason = "it reads as one of the things that a story says of its shop")]
    pub fn expects_in_log(&self, text: &str) {
        StoryLog::of_this_thread().expects(text);
    }

    /// The same, where it depends on the moment.
    #[expect(clippy::unused_self, reason = "it reads as one of the things that a story says of its shop")]
    pub fn allows_in_log(&self, text: &str) {
        StoryLog::of_this_thread().allows(text);
    }

    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.push((name, value.into()));
    }

    /// Starts a simulator, sets it as the payment providers, and has it send webhooks.
    pub async fn starts_simulator(&mut self) -> Simulator {
        let options = Options {
            webhooks_to: Some(self.url.clone()),
            webhook_delay: Duration::from_secs(3),
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        self.settings.extend(payment_simulator::settings(simulator.url()));
        simulator
    }

    pub fn starts(&self, name: &str) -> Program {
        Program::start(name, &self.settings, self.folder.path())
    }

    /// Runs a command to its end. Whether it succeeded, and what it said; one that goes on is killed.
    pub async fn runs(&self, program: &str, args: &[&str]) -> (bool, String) {
        let path = self.folder.path().join(format!("said-{}.txt", uuid::Uuid::new_v4().simple()));
        let said = std::fs::File::create(&path).unwrap();
        let child = Command::new(path_of(program))
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (*name, value)))
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn();
        let mut program = Program { process: child.unwrap(), log: path.clone() };
        let started = Instant::now();
        while program.is_alive() {
            if started.elapsed() > Duration::from_secs(20) {
                return (true, "it went on".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let succeeded = program.process.wait().unwrap().success();
        (succeeded, std::fs::read_to_string(path).unwrap().trim_end().to_owned())
    }

    /// Starts the API and waits until it answers.
    pub async fn opens(&self) -> Program {
        let program = self.starts("cartwright");
        until("the shop is ready", Duration::from_secs(20), || async {
            let answer = self.http.get(format!("{}/health/ready", self.url)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        program
    }

    /// Makes an admin and signs in. The token.
    pub async fn admin(&self) -> String {
        self.make_user("admin@example.com", Role::Admin).await;
        self.signs_in("admin@example.com").await
    }

    /// Makes a customer and signs in. The token.
    pub async fn customer(&self, email: &str) -> String {
        self.make_user(email, Role::Customer).await;
        self.signs_in(email).await
    }

    async fn make_user(&self, email: &str, role: Role) {
        let new = NewUser {
            email: email.to_owned(),
            username: None,
            password_hash: Passwords::new(argon2::Params::default()).hash("a long password".to_owned()).await.unwrap(),
            role,
            first_name: "Ada".to_owned(),
            last_name: String::new(),
            phone_number: String::new(),
            address: "12 Mill Lane".to_owned(),
        };
        let mut tx = self.db.write().await.unwrap();
        register(&mut tx, new, Clock::default().now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Signs in once more. The token.
    pub async fn signs_in(&self, email: &str) -> String {
        let (status, tokens) = self
            .post("/api/auth/login", "", None, &json!({"email": email, "password": "a long password"}))
            .await
            .unwrap();
        assert_eq!(status, 200, "{tokens}");
        tokens["access"].as_str().unwrap().to_owned()
    }

    /// The status and body, unless the connection broke.
    pub async fn post(&self, path: &str, token: &str, key: Option<&str>, body: &Value) -> Option<(u16, Value)> {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        answer(request, token).await
    }

    pub async fn put(&self, path: &str, token: &str, body: &Value) -> Option<(u16, Value)> {
        answer(self.http.put(format!("{}{path}", self.url)).json(body), token).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Option<(u16, Value)> {
        answer(self.http.get(format!("{}{path}", self.url)), token).await
    }

    pub async fn sells(&self, admin: &str, name: &str, stock: i64) -> i64 {
        let (status, product) = self
            .post("/api/products", admin, None, &json!({"name": name, "price": "12.50", "stock": stock}))
            .await
            .unwrap();
        assert_eq!(status, 201, "{product}");
        product["id"].as_i64().unwrap()
    }

    /// As if a dead worker's leases had ended, which takes up to 17 seconds. No worker may be running.
    pub async fn ends_leases(&self) {
        let mut tx = self.db.write().await.unwrap();
        tx.query("UPDATE jobs SET due_at = created_at WHERE state = 'running'").execute().await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        let (count,): (i64,) = self.db.query(sql).fetch_one().await.unwrap();
        count
    }
}

async fn answer(request: reqwest::RequestBuilder, token: &str) -> Option<(u16, Value)> {
    let answer = request.bearer_auth(token).timeout(Duration::from_secs(20)).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.json().await.ok()?))
}

/// A port nobody listens on.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Asks again and again, as another process gives no other sign. Panics when it takes too long; answers how long it took.
pub async fn until<F: Future<Output = bool>>(what: &str, within: Duration, mut holds: impl FnMut() -> F) -> Duration {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < within, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    started.elapsed()
}
