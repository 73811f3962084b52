//! The load generator: clients that each send their next request when they have the response to the last one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Which request a client sends, by the number of the client and that of the request.
pub type Requests = Arc<dyn Fn(usize, usize) -> Vec<u8> + Send + Sync>;

/// What a run has measured.
pub struct Measured {
    pub per_second: f64,
    /// Sorted.
    latencies: Vec<Duration>,
    /// CPU time of the server's process for each request.
    pub cpu: Duration,
}

impl Measured {
    /// The latency that this share of the requests did not exceed.
    pub fn latency(&self, share: f64) -> Duration {
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)] // an index
        let index = (self.latencies.len() as f64 * share) as usize;
        self.latencies[index.min(self.latencies.len() - 1)]
    }
}

/// A server under load.
#[derive(Clone)]
pub struct Server {
    /// `127.0.0.1:8000`
    pub address: String,
    pub process: u32,
}

impl Server {
    /// The shop in `SHOP` and `SHOP_PID`.
    pub fn of_environment() -> anyhow::Result<Self> {
        let address = std::env::var("SHOP").context("SHOP is missing: start this by benches/run")?;
        let process = std::env::var("SHOP_PID").context("SHOP_PID is missing")?.parse()?;
        Ok(Self { address: address.trim_start_matches("http://").to_owned(), process })
    }

    /// Sends requests over so many connections for so long. Fails on a response that is no success.
    pub async fn load(&self, connections: usize, time: Duration, requests: &Requests) -> anyhow::Result<Measured> {
        let (started, cpu) = (Instant::now(), self.cpu_time()?);
        let end = started + time;
        let mut clients = JoinSet::new();
        for client in 0..connections {
            let (address, requests) = (self.address.clone(), Arc::clone(requests));
            clients.spawn(async move { ask_until(end, &address, client, &requests).await });
        }
        let mut latencies = Vec::new();
        while let Some(client) = clients.join_next().await {
            latencies.extend(client??);
        }
        let count = u32::try_from(latencies.len())?;
        ensure!(count > 0, "{} did not answer", self.address);
        latencies.sort_unstable();
        let per_second = f64::from(count) / started.elapsed().as_secs_f64();
        Ok(Measured { per_second, latencies, cpu: self.cpu_time()?.saturating_sub(cpu) / count })
    }

    /// What the kernel has counted for the process, in ticks of 10 ms.
    fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process))?;
        let after_name = stat.rsplit(')').next().context("a process has a name")?;
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

async fn ask_until(end: Instant, address: &str, client: usize, requests: &Requests) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut latencies = Vec::new();
    for number in 0.. {
        let request = requests(client, number);
        let asked = Instant::now();
        if asked >= end {
            break;
        }
        let status = connection.ask(&request).await?;
        if !(200..400).contains(&status) {
            bail!("status {status} for {}", String::from_utf8_lossy(&request));
        }
        latencies.push(asked.elapsed());
    }
    Ok(latencies)
}

/// A connection with keep-alive.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request, and reads its response to the end. Returns the status.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
            if let Some((status, length)) = head(&self.buffer)
                && self.buffer.len() >= length
            {
                return Ok(status);
            }
        }
    }

    /// The last response, with its head.
    pub fn response(&self) -> &[u8] {
        &self.buffer
    }

    /// The body of the last response.
    pub fn body(&self) -> &[u8] {
        let start = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |end| end + 4);
        &self.buffer[start..]
    }

    /// Sends a request, and reads the JSON of its response.
    pub async fn json(&mut self, request: &[u8]) -> anyhow::Result<Value> {
        let status = self.ask(request).await?;
        ensure!((200..300).contains(&status), "{status}: {}", String::from_utf8_lossy(self.response()));
        Ok(serde_json::from_slice(self.body())?)
    }
}

/// The status of a response and the bytes it has in all, when its head is complete.
fn head(response: &[u8]) -> Option<(u16, usize)> {
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&response[..end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().filter_map(|line| line.split_once(": "));
    let length =
        length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).find_map(|(_, n)| n.parse().ok());
    Some((status, end + length.unwrap_or(0)))
}

/// A request with a token, these headers, each with its line end, and a JSON body unless that is null.
pub fn send(method: &str, target: &str, token: Option<&str>, headers: &str, body: &Value) -> Vec<u8> {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let content = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let content = if body.is_empty() { "" } else { &content };
    format!("{method} {target} HTTP/1.1\r\nHost: shop\r\n{token}{headers}{content}\r\n{body}").into_bytes()
}

/// A `GET` with these headers, each with its line end.
pub fn get(target: &str, headers: &str) -> Vec<u8> {
    send("GET", target, None, headers, &Value::Null)
}
