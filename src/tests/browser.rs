//! A page in a real browser follows an order while the server it talks to dies.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use poem::{
    EndpointExt, Route, Server, get, handler,
    listener::TcpAcceptor,
    post,
    web::{Data, Html, Json},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use crate::support::{
    Engine, invariants,
    programs::{Site, until},
    run,
};

/// A browser starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn a_page_follows_an_order_from_one_server_to_the_next() {
    run(followed_in_a_browser());
}

async fn followed_in_a_browser() {
    let Some(mut site) = Site::open(Engine::Postgres).await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    site.set("CORS_ORIGINS", address.clone());
    let (one, other) = (site.opens().await, site.beside());
    let _other = other.opens().await;
    let admin = site.admin().await;
    let ada = site.customer("ada@example.com").await;
    let mug = site.sells(&admin, "Mug", 5).await;
    let order = json!({"items": [{"product": mug, "quantity": 1}]});
    let order = site.post("/api/orders", &ada, None, &order).await.unwrap().1;

    let page = Page::served_at(listener, json!({"servers": [site.url, other.url], "order": order["id"], "token": ada}));
    let _browser = Browser::opens(&address, &site);
    page.has_reported("pending").await;
    one.dies();
    until("the page lost its server", PATIENCE, || async { *page.lost.borrow() > 0 }).await;
    moves(&other, &order, "confirmed", &admin).await;
    moves(&other, &order, "shipped", &admin).await;
    page.may_go_on.send_replace(true);
    page.has_reported("pending → confirmed → shipped").await;
    moves(&other, &order, "delivered", &admin).await;
    page.has_reported("pending → confirmed → shipped → delivered").await;
    invariants::hold_after_a_crash(&site.db).await;
}

async fn moves(site: &Site, order: &Value, status: &str, admin: &str) {
    let path = format!("/api/orders/{}/status", order["id"]);
    let (answered, order) = site.put(&path, admin, &json!({"status": status})).await.unwrap();
    assert_eq!((answered, &order["status"]), (200, &json!(status)));
}

/// The page's own server: what it is told to follow, and what it tells.
#[derive(Clone)]
struct Page {
    settings: Value,
    report: watch::Sender<String>,
    lost: watch::Sender<usize>,
    /// Until then a page that lost its server waits.
    may_go_on: watch::Sender<bool>,
}

impl Page {
    fn served_at(listener: TcpListener, settings: Value) -> Self {
        let (report, lost, may_go_on) = (watch::Sender::default(), watch::Sender::default(), watch::Sender::default());
        let page = Self { settings, report, lost, may_go_on };
        let app = Route::new()
            .at("/", get(html))
            .at("/settings", get(settings_of))
            .at("/report", post(reported))
            .at("/lost", post(lost_its_server))
            .data(page.clone());
        tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap()).run(app));
        page
    }

    /// Waits for this very report; one that says something else can never become it.
    async fn has_reported(&self, wanted: &str) {
        let mut reports = self.report.subscribe();
        let told = reports.wait_for(|report| report == wanted || !wanted.starts_with(report.as_str()));
        let told = tokio::time::timeout(PATIENCE, told).await;
        let told = told.unwrap_or_else(|_| panic!("the page reported {:?}", *self.report.borrow())).unwrap().clone();
        assert_eq!(told, wanted);
    }
}

#[handler]
fn html() -> Html<&'static str> {
    Html(include_str!("support/order_page.html"))
}

#[handler]
#[expect(clippy::needless_pass_by_value, reason = "poem hands data over")]
fn settings_of(page: Data<&Page>) -> Json<Value> {
    Json(page.settings.clone())
}

#[handler]
#[expect(clippy::needless_pass_by_value, reason = "poem hands data over")]
fn reported(page: Data<&Page>, report: String) {
    page.report.send_replace(report);
}

#[handler]
async fn lost_its_server(page: Data<&Page>) {
    page.lost.send_modify(|times| *times += 1);
    let _ = page.may_go_on.subscribe().wait_for(|may| *may).await; // the sender lives as long as the page
}

/// Chromium without a window. Killed when the story ends.
struct Browser(Child);

impl Browser {
    fn opens(address: &str, site: &Site) -> Self {
        let log = std::fs::File::create(site.folder.path().join("chromium.log")).unwrap();
        let profile = format!("--user-data-dir={}", site.folder.path().join("chromium").display());
        let flags = [
            "--headless",
            "--no-sandbox", // CI is root in a container
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // Without one it prints the page and leaves.
            "--remote-debugging-port=0",
            &profile,
            address,
        ];
        let started =
            Command::new("chromium").args(flags).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        Self(started.expect("chromium is installed; .ci/servers does that"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}
