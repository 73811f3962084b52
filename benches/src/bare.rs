//! The limit of reads: poem without anything, answering the same bytes.

use std::process::{Child, Command};

use anyhow::Context;
use bytes::Bytes;
use poem::{EndpointExt, Route, Server as PoemServer, get, handler, listener::TcpListener, web::Data};

use crate::load::Server;

/// A process that serves `body` at every path, until this is dropped.
pub struct Bare {
    process: Child,
    pub server: Server,
}

impl Bare {
    pub async fn start(body: &[u8]) -> anyhow::Result<Self> {
        let file = std::env::temp_dir().join(format!("bare-{}", std::process::id()));
        std::fs::write(&file, body)?;
        let address = free_address()?;
        let process = Command::new(std::env::current_exe()?).arg("bare").arg(&address).arg(&file).spawn()?;
        let server = Server { address, process: process.id() };
        let bare = Self { process, server };
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(&bare.server.address).await.is_ok() {
                std::fs::remove_file(file)?;
                return Ok(bare);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        anyhow::bail!("the bare server did not start")
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it has ended by itself
        let _ = self.process.wait();
    }
}

fn free_address() -> anyhow::Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("a free port")?;
    Ok(listener.local_addr()?.to_string())
}

#[handler]
#[allow(clippy::needless_pass_by_value)] // poem wants it
fn answer(body: Data<&Bytes>) -> Bytes {
    body.clone()
}

/// What the process does.
pub async fn serve(address: &str, file: &str) -> anyhow::Result<()> {
    let body = Bytes::from(std::fs::read(file)?);
    let app = Route::new().at("/*path", get(answer).data(body));
    Ok(PoemServer::new(TcpListener::bind(address.to_owned())).run(app).await?)
}
