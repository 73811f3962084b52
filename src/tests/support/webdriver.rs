//! A browser that a story works in: Chromium without a window, led by its driver over the `WebDriver` protocol.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    http_client,
    programs::{free_address, until},
};

/// A browser starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Closed when the story ends.
pub struct Browser {
    driver: Child,
    http: reqwest::Client,
    session: String,
}

impl Browser {
    /// Opens one, with its files in this folder.
    pub async fn opens(folder: &Path) -> Self {
        let address = free_address();
        let port = address.rsplit(':').next().expect("an address has a port");
        let log = std::fs::File::create(folder.join("chromedriver.log")).unwrap();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("chromedriver is installed; .ci/servers does that");
        let http = http_client().timeout(PATIENCE).build().unwrap();
        let mut browser = Self { driver, http, session: format!("http://{address}") };
        until("chromedriver listens", PATIENCE, || async {
            browser.http.get(format!("{}/status", browser.session)).send().await.is_ok()
        })
        .await;
        let profile = format!("--user-data-dir={}", folder.join("chromium").display());
        let flags = [
            "--headless",
            "--no-sandbox", // CI is root in a container
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--window-size=1200,1000",
            &profile,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": flags}}}});
        let session = browser.asks("/session", &wanted).await;
        let id = session["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{}/session/{id}", browser.session);
        browser
    }

    pub async fn goes_to(&self, address: &str) {
        self.asks("/url", &json!({"url": address})).await;
    }

    /// What a script of the page's returns; a promise is waited for.
    pub async fn runs(&self, script: &str) -> Value {
        self.asks("/execute/sync", &json!({"script": script, "args": []})).await
    }

    pub async fn clicks(&self, selector: &str) {
        let id = self.finds(selector).await;
        self.asks(&format!("/element/{id}/click"), &json!({})).await;
    }

    /// Looks into a frame, until it [comes back](Self::leaves_the_frame).
    pub async fn enters_the_frame(&self, selector: &str) {
        let id = self.finds(selector).await;
        self.asks("/frame", &json!({"id": {ELEMENT: id}})).await;
    }

    pub async fn leaves_the_frame(&self) {
        self.asks("/frame", &json!({"id": null})).await;
    }

    /// Lets pages do what a person would be asked about first.
    pub async fn permits(&self, what: &str) {
        self.asks("/permissions", &json!({"descriptor": {"name": what}, "state": "granted"})).await;
    }

    /// How many windows there are.
    pub async fn windows(&self) -> usize {
        let answer = self.http.get(format!("{}/window/handles", self.session)).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["value"].as_array().expect("windows").len()
    }

    async fn finds(&self, selector: &str) -> String {
        let found = self.asks("/element", &json!({"using": "css selector", "value": selector})).await;
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    async fn asks(&self, path: &str, body: &Value) -> Value {
        let answer = self.http.post(format!("{}{path}", self.session)).json(body).send().await.unwrap();
        let (status, told) = (answer.status(), answer.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{path} {body}: {told}");
        told["value"].clone()
    }
}

/// What `WebDriver` names an element by.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

impl Drop for Browser {
    fn drop(&mut self) {
        // Told to stop, the driver takes its browser with it.
        let _ = Command::new("kill").args(["-TERM", &self.driver.id().to_string()]).status();
        let _ = self.driver.wait();
    }
}
