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

use platform::mail::outbox::ParsedEmail;
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
    mailbox: Arc<Mailbox>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Mailbox {
    mails: watch::Sender<Vec<Mail>>,
    behaviour: Mutex<Behaviour>,
}

/// How the server behaves from now on.
#[derive(Default)]
struct Behaviour {
    pause: Duration,
    refusal: Option<u16>,
    hang_ups: usize,
}

impl MailServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on 127.0.0.1");
        let address = listener.local_addr().expect("the address just bound");
        let mailbox = Arc::new(Mailbox::default());
        let listening = tokio::spawn(serve(listener, Arc::clone(&mailbox)));
        Self { address, mailbox, listening }
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Everything received so far, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.mailbox.mails.borrow().clone()
    }

    /// Waits until `n` mails have arrived and returns all there are. A mail counts from the moment it is stored, which
    /// is before a slow server says so.
    pub async fn waits_for(&self, n: usize, within: Duration) -> Vec<Mail> {
        let mut arrivals = self.mailbox.mails.subscribe();
        if let Ok(mails) = timeout(within, arrivals.wait_for(|mails| mails.len() >= n)).await {
            return mails.expect("the sender lives as long as the server").clone();
        }
        let subjects: Vec<_> = self.mails().iter().map(Mail::subject).collect();
        panic!("{n} mails were expected within {within:?}, these arrived: {subjects:?}");
    }

    /// Takes this long to confirm each mail.
    pub fn slow(&self, pause: Duration) {
        self.behaviour(|behaviour| behaviour.pause = pause);
    }

    /// Answers every recipient with this code: 550 for good, 451 for now.
    pub fn refuses(&self, code: u16) {
        self.behaviour(|behaviour| behaviour.refusal = Some(code));
    }

    /// Welcomes every recipient again.
    pub fn accepts(&self) {
        self.behaviour(|behaviour| behaviour.refusal = None);
    }

    /// Stores each of the next `n` mails and closes the connection instead of confirming it.
    pub fn hangs_up_before_answering(&self, n: usize) {
        self.behaviour(|behaviour| behaviour.hang_ups = n);
    }

    fn behaviour(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.mailbox.behaviour.lock().unwrap());
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(listener: TcpListener, mailbox: Arc<Mailbox>) {
    let mut sessions = JoinSet::new(); // dropped with this task, and all sessions with it
    loop {
        tokio::select! {
            Ok((socket, _)) = listener.accept() => {
                sessions.spawn(Session::new(socket, Arc::clone(&mailbox)).run());
            }
            Some(_) = sessions.join_next() => {}
        }
    }
}

/// One client on one connection.
struct Session {
    stream: BufStream<TcpStream>,
    mailbox: Arc<Mailbox>,
    /// Whom the mail under way is from, once `MAIL` was said.
    from: Option<String>,
    to: Vec<String>,
}

impl Session {
    fn new(socket: TcpStream, mailbox: Arc<Mailbox>) -> Self {
        Self { stream: BufStream::new(socket), mailbox, from: None, to: Vec::new() }
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
        let refusal = self.mailbox.behaviour.lock().unwrap().refusal;
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
        let (pause, hang_up) = self.mailbox.next_answer();
        let mail = Mail { from: self.from.take().unwrap_or_default(), to: std::mem::take(&mut self.to), raw };
        self.mailbox.mails.send_modify(|mails| mails.push(mail));
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

impl Mailbox {
    fn next_answer(&self) -> (Duration, bool) {
        let mut behaviour = self.behaviour.lock().unwrap();
        let hang_up = behaviour.hang_ups > 0;
        behaviour.hang_ups = behaviour.hang_ups.saturating_sub(1);
        (behaviour.pause, hang_up)
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
        let (head, _) = self.raw.split_once("\r\n\r\n").unwrap_or((&self.raw, ""));
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let value = unfolded.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })?;
        // Every header is encoded like a subject.
        Some(ParsedEmail::read(&format!("Subject: {value}\r\n\r\n")).subject)
    }

    pub fn message_id(&self) -> String {
        self.header("Message-ID").expect("every mail has a Message-ID")
    }

    pub fn subject(&self) -> String {
        self.parsed().subject
    }

    /// What a reader without HTML sees; empty when the mail has no such part.
    pub fn text(&self) -> String {
        self.parsed().text
    }

    /// What a reader with HTML sees; empty when the mail has no such part.
    pub fn html(&self) -> String {
        self.parsed().html
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

    fn parsed(&self) -> ParsedEmail {
        ParsedEmail::read(&self.raw)
    }
}
