//! What stands between a shop and its PostgreSQL, and cuts the line at the moment that a story chooses.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use reqwest::Url;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// When the line is cut.
#[derive(Clone, Copy)]
pub enum Cut {
    /// As soon as the shop says this, before the server hears of it.
    Before(&'static str),
    /// When the server answers this, which it has done by then.
    AnswerTo(&'static str),
}

/// Cuts one connection for each [`Cut`] it is told of.
pub struct Proxy {
    url: Url,
    next: Arc<Mutex<Option<Cut>>>,
}

impl Proxy {
    /// In front of the database with this address.
    pub async fn before(database: &str) -> Self {
        let mut url: Url = database.parse().expect("the address of a database");
        let server = format!("{}:{}", url.host_str().expect("a host"), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on 127.0.0.1");
        let here = listener.local_addr().expect("the address just bound");
        let next = Arc::<Mutex<Option<Cut>>>::default();
        tokio::spawn(accept(listener, server, Arc::clone(&next)));
        point_at(&mut url, here);
        Self { url, next }
    }

    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    pub fn cuts(&self, cut: Cut) {
        *self.next.lock().unwrap() = Some(cut);
    }
}

fn point_at(url: &mut Url, here: SocketAddr) {
    url.set_host(Some(&here.ip().to_string())).expect("a host");
    url.set_port(Some(here.port())).expect("a port");
}

async fn accept(listener: TcpListener, server: String, next: Arc<Mutex<Option<Cut>>>) {
    while let Ok((shop, _)) = listener.accept().await {
        let (server, next) = (server.clone(), Arc::clone(&next));
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await?;
            carry(shop, server, &next).await
        });
    }
}

/// Carries what each side says to the other. Both lines end when it returns.
async fn carry(mut shop: TcpStream, mut server: TcpStream, next: &Mutex<Option<Cut>>) -> io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            length = shop.read(&mut asked) => {
                let asked = &asked[..length?];
                let cut = due(next, asked);
                if asked.is_empty() || matches!(cut, Some(Cut::Before(_))) {
                    return Ok(());
                }
                server.write_all(asked).await?;
                if cut.is_some() {
                    return server.read(&mut answered).await.map(drop);
                }
            }
            length = server.read(&mut answered) => {
                let answered = &answered[..length?];
                if answered.is_empty() {
                    return Ok(());
                }
                shop.write_all(answered).await?;
            }
        }
    }
}

/// The cut that is meant by what the shop says, which then has been made.
fn due(next: &Mutex<Option<Cut>>, asked: &[u8]) -> Option<Cut> {
    let (Cut::Before(text) | Cut::AnswerTo(text)) = (*next.lock().unwrap())?;
    let meant = asked.windows(text.len()).any(|part| part == text.as_bytes());
    if meant { next.lock().unwrap().take() } else { None }
}
