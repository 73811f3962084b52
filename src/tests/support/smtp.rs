//! A mail server for the stories: real SMTP over TCP, so that the mailer under test is the mailer that ships.
//!
//! It can also be slow, refuse, or take a mail and vanish before saying so. The last is the one case in which a
//! customer may get the same mail twice, and only a server that really hangs up can show what the mailer then does.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

/// Listens until it is dropped; every open connection ends with it.
pub struct MailServer {
    address: SocketAddr,
    postbox: Arc<Postbox>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Postbox {
    mails: watch::Sender<Vec<Mail>>,
    manners: Mutex<Manners>,
}

/// How the server treats its clients from now on.
#[derive(Default)]
struct Manners {
    pause: Duration,
    refusal: Option<u16>,
    hang_ups: usize,
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on 127.0.0.1");
        let address = listener.local_addr().expect("the address just bound");
        let postbox = Arc::new(Postbox::default());
        let listening = tokio::spawn(serve(listener, Arc::clone(&postbox)));
        Self { address, postbox, listening }
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Everything received so far, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.postbox.mails.borrow().clone()
    }

    /// Waits until `n` mails have arrived and returns all there are. A mail counts from the moment it is stored, which
    /// is before a slow server says so.
    pub async fn waits_for(&self, n: usize, within: Duration) -> Vec<Mail> {
        let mut arrivals = self.postbox.mails.subscribe();
        if let Ok(mails) = timeout(within, arrivals.wait_for(|mails| mails.len() >= n)).await {
            return mails.expect("the sender lives as long as the server").clone();
        }
        let subjects: Vec<_> = self.mails().iter().map(Mail::subject).collect();
        panic!("{n} mails were expected within {within:?}, these arrived: {subjects:?}");
    }

    /// Takes this long to confirm each mail.
    pub fn slow(&self, pause: Duration) {
        self.manners(|manners| manners.pause = pause);
    }

    /// Answers every recipient with this code: 550 for good, 451 for now.
    pub fn refuses(&self, code: u16) {
        self.manners(|manners| manners.refusal = Some(code));
    }

    /// Welcomes every recipient again.
    pub fn accepts(&self) {
        self.manners(|manners| manners.refusal = None);
    }

    /// Stores each of the next `n` mails and closes the connection instead of confirming it.
    pub fn hangs_up_before_answering(&self, n: usize) {
        self.manners(|manners| manners.hang_ups = n);
    }

    fn manners(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.postbox.manners.lock().unwrap());
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(listener: TcpListener, postbox: Arc<Postbox>) {
    let mut sessions = JoinSet::new(); // dropped with this task, and all sessions with it
    loop {
        tokio::select! {
            Ok((socket, _)) = listener.accept() => {
                sessions.spawn(Session::new(socket, Arc::clone(&postbox)).run());
            }
            Some(_) = sessions.join_next() => {}
        }
    }
}

/// One client on one connection.
struct Session {
    stream: BufStream<TcpStream>,
    postbox: Arc<Postbox>,
    /// Whom the mail under way is from, once `MAIL` was said.
    from: Option<String>,
    to: Vec<String>,
}

impl Session {
    fn new(socket: TcpStream, postbox: Arc<Postbox>) -> Self {
        Self { stream: BufStream::new(socket), postbox, from: None, to: Vec::new() }
    }

    async fn run(mut self) -> io::Result<()> {
        self.say("220 localhost ready").await?;
        while let Some(line) = self.line().await? {
            let command = line.trim_end();
            let verb = command.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.say("250-localhost\r\n250-8BITMIME\r\n250 SMTPUTF8").await?,
                "HELO" | "NOOP" => self.say("250 OK").await?,
                "MAIL" => self.mail(command).await?,
                "RCPT" => self.rcpt(command).await?,
                "DATA" if self.to.is_empty() => self.say("503 RCPT comes first").await?,
                "DATA" => {
                    if !self.data().await? {
                        return Ok(());
                    }
                }
                "RSET" => {
                    self.forget_envelope();
                    self.say("250 OK").await?;
                }
                "QUIT" => return self.say("221 Bye").await,
                _ => self.say("500 Unknown command").await?,
            }
        }
        Ok(())
    }

    async fn mail(&mut self, command: &str) -> io::Result<()> {
        self.forget_envelope();
        self.from = address(command);
        let answer = if self.from.is_some() { "250 OK" } else { "501 The address is missing" };
        self.say(answer).await
    }

    async fn rcpt(&mut self, command: &str) -> io::Result<()> {
        let refusal = self.postbox.manners.lock().unwrap().refusal;
        match (refusal, &self.from, address(command)) {
            (_, None, _) => self.say("503 MAIL comes first").await,
            (Some(code), _, _) => self.say(&format!("{code} Not this recipient")).await,
            (_, _, None) => self.say("501 The address is missing").await,
            (None, Some(_), Some(address)) => {
                self.to.push(address);
                self.say("250 OK").await
            }
        }
    }

    /// Stores the mail. False when the client is left without its answer.
    async fn data(&mut self) -> io::Result<bool> {
        self.say("354 Go ahead, end with a dot").await?;
        let Some(raw) = self.message().await? else { return Ok(false) };
        let (pause, hang_up) = self.postbox.next_answer();
        let mail = Mail { from: self.from.take().unwrap_or_default(), to: std::mem::take(&mut self.to), raw };
        self.postbox.mails.send_modify(|mails| mails.push(mail));
        sleep(pause).await;
        if hang_up {
            return Ok(false);
        }
        self.say("250 OK, queued").await?;
        Ok(true)
    }

    /// The lines up to the lone dot, or nothing when the client left before it.
    async fn message(&mut self) -> io::Result<Option<String>> {
        let mut raw = String::new();
        while let Some(line) = self.line().await? {
            if line == ".\r\n" {
                return Ok(Some(raw));
            }
            raw.push_str(line.strip_prefix('.').unwrap_or(&line)); // the client doubles a leading dot
        }
        Ok(None)
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        let read = self.stream.read_until(b'\n', &mut bytes).await?;
        Ok((read > 0).then(|| String::from_utf8_lossy(&bytes).into_owned()))
    }

    async fn say(&mut self, answer: &str) -> io::Result<()> {
        self.stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        self.stream.flush().await
    }

    fn forget_envelope(&mut self) {
        self.from = None;
        self.to.clear();
    }
}

impl Postbox {
    fn next_answer(&self) -> (Duration, bool) {
        let mut manners = self.manners.lock().unwrap();
        let hang_up = manners.hang_ups > 0;
        manners.hang_ups = manners.hang_ups.saturating_sub(1);
        (manners.pause, hang_up)
    }
}

/// The address of `MAIL FROM:<…>` and `RCPT TO:<…>`; empty for a bounce's sender.
fn address(command: &str) -> Option<String> {
    Some(command.split_once('<')?.1.split_once('>')?.0.to_owned())
}

/// One mail as it came over the wire: the envelope, and the message with its CRLF line ends.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub raw: String,
}

impl Mail {
    /// The first header of that name, on one line and decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        header(head_and_body(&self.raw).0, name)
    }

    pub fn message_id(&self) -> String {
        self.header("Message-ID").expect("every mail has a Message-ID")
    }

    pub fn subject(&self) -> String {
        self.header("Subject").unwrap_or_default()
    }

    /// What a reader without HTML sees; empty when the mail has no such part.
    pub fn text(&self) -> String {
        part(&self.raw, "text/plain").unwrap_or_default()
    }

    /// Where its link leads.
    pub fn link(&self) -> String {
        let text = self.text();
        let link = text.split_whitespace().find(|word| word.starts_with("http"));
        link.unwrap_or_else(|| panic!("an e-mail with a link was expected:\n{text}")).to_owned()
    }

    /// The secret of its link.
    pub fn token(&self) -> String {
        let link = self.link();
        link.split_once("?token=").unwrap_or_else(|| panic!("{link} has a token")).1.to_owned()
    }

    /// What a reader with HTML sees; empty when the mail has no such part.
    pub fn html(&self) -> String {
        part(&self.raw, "text/html").unwrap_or_default()
    }
}

/// The first part of that type, looked for in multiparts of any depth.
fn part(entity: &str, wanted: &str) -> Option<String> {
    let (head, body) = head_and_body(entity);
    let kind = header(head, "Content-Type").unwrap_or_else(|| "text/plain".to_owned());
    if kind.to_ascii_lowercase().starts_with("multipart/") {
        let delimiter = format!("--{}", parameter(&kind, "boundary")?);
        // Before the first delimiter comes a preamble, after the last one two dashes; neither is a part.
        return body.split(&delimiter).skip(1).find_map(|piece| part(piece.trim_start_matches("\r\n"), wanted));
    }
    kind.to_ascii_lowercase().starts_with(wanted).then(|| decoded(head, body))
}

fn decoded(head: &str, body: &str) -> String {
    let encoding = header(head, "Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
    let bytes = match encoding.as_str() {
        "base64" => base64(body),
        "quoted-printable" => quoted_printable(&body.replace("=\r\n", "")),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn head_and_body(entity: &str) -> (&str, &str) {
    entity.split_once("\r\n\r\n").unwrap_or((entity, ""))
}

fn header(head: &str, name: &str) -> Option<String> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| decode_words(value.trim()))
    })
}

/// `boundary` of `multipart/alternative; boundary="…"`.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Decodes the `=?utf-8?b?…?=` words of RFC 2047. Space between two of them is not text, it only keeps lines short.
fn decode_words(value: &str) -> String {
    let (mut bytes, mut rest, mut after_word) = (Vec::new(), value, false);
    while let Some((before, word, after)) = next_word(rest) {
        if !(after_word && before.trim().is_empty()) {
            bytes.extend_from_slice(before.as_bytes());
        }
        bytes.extend(word);
        (rest, after_word) = (after, true);
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn next_word(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let (before, word) = text.split_once("=?")?;
    let (_charset, word) = word.split_once('?')?;
    let (encoding, word) = word.split_once('?')?;
    let (encoded, after) = word.split_once("?=")?;
    let bytes = match encoding {
        "b" | "B" => base64(encoded),
        _ => quoted_printable(&encoded.replace('_', " ")),
    };
    Some((before, bytes, after))
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((plain, escaped)) = rest.split_once('=') {
        bytes.extend_from_slice(plain.as_bytes());
        let digits = escaped.get(..2).expect("two hex digits after =");
        bytes.push(u8::from_str_radix(digits, 16).expect("two hex digits after ="));
        rest = &escaped[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets: Vec<usize> = text.bytes().filter_map(|b| ALPHABET.iter().position(|a| *a == b)).collect();
    let octets = sextets.chunks(4).flat_map(|group| {
        let bits = (0..4).fold(0, |bits, i| bits << 6 | group.get(i).copied().unwrap_or(0));
        [bits >> 16, bits >> 8, bits].into_iter().take(group.len() - 1)
    });
    octets.map(|octet| u8::try_from(octet & 0xff).expect("eight bits")).collect()
}
