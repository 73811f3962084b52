//! Sends e-mail over SMTP, or writes it to files in an outbox.
//!
//! SMTP cannot deliver a message exactly once. So the Message-ID is derived from what the e-mail is about, never random:
//! when a job runs again because the server's reply was lost, the second copy has the same id, and in the outbox it
//! replaces the first.
//!
//! Neither errors nor logs contain an address or the SMTP password: addresses are removed from a server's reply, and an
//! invalid `SMTP_URL` is not shown.

mod links;
pub mod outbox;
mod send_once;

use anyhow::Context as _;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::jobs::JobError;

pub use links::without_links;
pub use send_once::send_once;

/// How long one session with the mail server may take, from connecting to its last reply. lettre only limits connecting;
/// a server that accepts and never replies would block a worker.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long connecting to one of the server's addresses may take, so that the next can be tried in time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// An e-mail: to whom, its subject, and its body as text and as HTML.
pub struct Email {
    pub to: String,
    pub to_name: Option<String>,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// With its angle brackets, such as `<order-12.confirmation@shop.example>`; the same e-mail always has the same.
    pub message_id: String,
}

/// Why an e-mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Permanent: this e-mail will never be accepted.
    #[error("the e-mail was refused: {0}")]
    Refused(String),
    /// Temporary: trying again later may succeed.
    #[error("the e-mail could not be sent now: {0}")]
    Unavailable(String),
}

impl From<MailError> for JobError {
    fn from(error: MailError) -> Self {
        match error {
            MailError::Refused(why) => Self::GiveUp(why),
            MailError::Unavailable(why) => Self::Retry(why),
        }
    }
}

/// Sends e-mail. Cloning is cheap.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

#[derive(Clone)]
enum Transport {
    Smtp(Server),
    Outbox(PathBuf),
}

type Server = AsyncSmtpTransport<Tokio1Executor>;

impl Mailer {
    /// Without an `smtp_url`, e-mails are written to the folder `outbox`, which is created if missing. Must be called inside
    /// the tokio runtime, because lettre starts a task.
    ///
    /// # Errors
    /// When a setting is invalid; the error names it and says what is accepted.
    pub fn new(smtp_url: Option<&SecretString>, from: &str, outbox: PathBuf) -> anyhow::Result<Mailer> {
        let from = sender(from)?;
        let transport = match smtp_url {
            Some(url) => Transport::Smtp(server_at(url)?),
            None => Transport::Outbox(created(outbox)?),
        };
        Ok(Mailer { from, transport })
    }

    /// Sends one e-mail.
    ///
    /// # Errors
    /// [`MailError::Refused`] for an invalid address and for a server's 5xx about the e-mail, [`MailError::Unavailable`] for
    /// everything else.
    pub async fn send(&self, email: &Email) -> Result<(), MailError> {
        let message = compose(&self.from, email)?;
        match &self.transport {
            Transport::Smtp(server) => with_timeout(server.send(message)).await.map(|_accepted| ()),
            Transport::Outbox(outbox) => {
                write_atomically(&outbox.join(file_name(&email.message_id)), &message.formatted())
                    .await
                    .map_err(|why| MailError::Unavailable(cannot_write(outbox, &why)))
            }
        }
    }

    /// The folder that e-mails are written to; `None` with a mail server.
    #[must_use]
    pub fn outbox(&self) -> Option<&Path> {
        match &self.transport {
            Transport::Smtp(_) => None,
            Transport::Outbox(outbox) => Some(outbox),
        }
    }

    /// Checks that e-mail can be sent, without sending any.
    ///
    /// # Errors
    /// A message that says what is wrong and which setting to check.
    pub async fn check(&self) -> Result<(), String> {
        match &self.transport {
            Transport::Smtp(server) => match with_timeout(server.test_connection()).await {
                Ok(true) => Ok(()),
                Ok(false) => Err("the mail server closed the connection: check SMTP_URL".to_owned()),
                Err(MailError::Refused(why) | MailError::Unavailable(why)) => {
                    Err(format!("the mail server cannot be used: {why}. Check SMTP_URL and that the server is up"))
                }
            },
            Transport::Outbox(outbox) => {
                let probe = outbox.join(".writable");
                write_atomically(&probe, b"").await.map_err(|why| cannot_write(outbox, &why))?;
                tokio::fs::remove_file(&probe).await.map_err(|why| cannot_write(outbox, &why))
            }
        }
    }
}

/// An e-mail as an .eml file, which mail programs open.
///
/// # Errors
/// When the sender or the recipient is invalid.
pub fn eml(from: &str, email: &Email) -> anyhow::Result<Vec<u8>> {
    Ok(compose(&sender(from)?, email)?.formatted())
}

fn sender(from: &str) -> anyhow::Result<Mailbox> {
    from.parse().ok().with_context(|| {
        format!(
            "MAIL_FROM is {from:?}, not a valid sender: write `shop@example.com` or `\"My Shop\" <shop@example.com>`"
        )
    })
}

fn compose(from: &Mailbox, email: &Email) -> Result<Message, MailError> {
    let to: Address = email
        .to
        .parse()
        .map_err(|_| MailError::Refused("the recipient's address is not a valid e-mail address".to_owned()))?;
    // Explicit, because lettre would otherwise parse the recipient from a header with a name that a user typed.
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()]);

    Message::builder()
        .envelope(envelope.map_err(|why| MailError::Refused(why.to_string()))?)
        .from(from.clone())
        .to(Mailbox::new(email.to_name.as_deref().map(one_line).filter(|name| !name.is_empty()), to))
        .subject(one_line(&email.subject))
        .message_id(Some(email.message_id.clone()))
        .date_now()
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(email.text.clone(), email.html.clone()))
        .map_err(|why| MailError::Refused(format!("it could not be put together: {why}")))
}

/// Users type names, and lettre panics at a line break in one.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Connections are not reused. A send that is aborted by a timeout would return a connection with a reply still to come,
/// which the next e-mail would take for its own.
fn server_at(url: &SecretString) -> anyhow::Result<Server> {
    let builder = Server::from_url(url.expose_secret()).ok().context(
        "SMTP_URL is not a mail server's address (its value is not shown, it may hold a password): write \
         `smtp://host:port`, `smtps://user:password@host` or `smtp://user:password@host:587?tls=required`, with \
         special characters in the user and the password percent-encoded",
    )?;
    let no_reuse = smtp::PoolConfig::new().max_size(0);
    Ok(builder.timeout(Some(CONNECT_TIMEOUT)).pool_config(no_reuse).build())
}

async fn with_timeout<T>(session: impl Future<Output = Result<T, smtp::Error>>) -> Result<T, MailError> {
    match tokio::time::timeout(SEND_TIMEOUT, session).await {
        Ok(result) => result.map_err(|why| mail_error(&why)),
        Err(_) => {
            Err(MailError::Unavailable(format!("the mail server did not finish within {} s", SEND_TIMEOUT.as_secs())))
        }
    }
}

/// A 5xx is permanent, unless it is about our own sign-in: that is corrected in the settings, and no e-mail should be lost
/// meanwhile.
fn mail_error(error: &smtp::Error) -> MailError {
    let about_our_sign_in = error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538));
    let why = without_addresses(&error.to_string());
    if error.is_permanent() && !about_our_sign_in { MailError::Refused(why) } else { MailError::Unavailable(why) }
}

/// Mail servers repeat the address they refuse, and this text is logged.
fn without_addresses(reply: &str) -> String {
    let hide = |word| if str::contains(word, '@') { "(address)" } else { word };
    reply.split_whitespace().map(hide).collect::<Vec<_>>().join(" ")
}

fn created(outbox: PathBuf) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(&outbox).map_err(|why| anyhow::anyhow!(cannot_write(&outbox, &why)))?;
    Ok(outbox)
}

fn cannot_write(outbox: &Path, why: &std::io::Error) -> String {
    format!("cannot write e-mails to {}: {why}. Make it writable, or set SMTP_URL", outbox.display())
}

/// A file name for each Message-ID. Bytes with a meaning to a file system are percent-encoded, so that no id leaves the
/// outbox and no two ids share a file.
fn file_name(message_id: &str) -> String {
    let id = message_id.trim_start_matches('<').trim_end_matches('>');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+".contains(&byte);
    let spell = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    id.bytes().map(spell).collect::<String>() + ".eml"
}

/// Writes to a temporary name first, so that no reader of the outbox sees a part of an e-mail.
async fn write_atomically(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_file_name(format!(".{}.tmp", uuid::Uuid::new_v4()));
    tokio::fs::write(&temporary, content).await?;
    tokio::fs::rename(&temporary, path).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread::JoinHandle;

    fn email() -> Email {
        Email {
            to: "ada@example.com".to_owned(),
            to_name: Some("Ada Lovelace".to_owned()),
            subject: "Your order 20250115-7KQ2M9".to_owned(),
            text: "Thank you, Ada Lovelace. You pay 113.00 USD.\n".to_owned(),
            html: "<p>Thank you, Ada Lovelace. You pay 113.00 USD.</p>\n".to_owned(),
            message_id: "<order-12.confirmation@shop.example>".to_owned(),
        }
    }

    /// A mailer with a fresh outbox, which the test removes.
    fn to_outbox() -> (Mailer, PathBuf) {
        let outbox = std::env::temp_dir().join(format!("outbox-{}", uuid::Uuid::new_v4()));
        (Mailer::new(None, "Shop <shop@localhost>", outbox.clone()).unwrap(), outbox)
    }

    fn to_server(port: u16) -> Mailer {
        Mailer::new(Some(&format!("smtp://127.0.0.1:{port}").into()), "shop@localhost", PathBuf::new()).unwrap()
    }

    /// A mail server for one connection, with one response to every recipient. Returns all it received.
    fn server_that_answers(rcpt: &'static str) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (port, std::thread::spawn(move || converse(listener.accept().unwrap().0, rcpt)))
    }

    fn converse(mut to_client: TcpStream, rcpt: &str) -> String {
        let from_client = BufReader::new(to_client.try_clone().unwrap());
        let (mut received, mut in_data) = (String::new(), false);
        to_client.write_all(b"220 ready\r\n").unwrap();
        for line in from_client.lines().map_while(Result::ok) {
            received.extend([&line, "\n"]);
            let answer = match line.split([' ', ':']).next().unwrap() {
                "." => "250 accepted",
                _ if in_data => continue,
                "RCPT" => rcpt,
                "DATA" => "354 go on",
                "QUIT" => break,
                _ => "250 fine",
            };
            in_data = answer.starts_with("354");
            to_client.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
        }
        received
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_line_break_in_a_name_or_subject_adds_no_header_and_no_recipient() {
        let (port, server) = server_that_answers("250 fine");
        let attack = "Ada\" <eve@example.com>,\r\nBcc: eve@example.com\r\n\r\nbody";
        let injected = Email { to_name: Some(attack.to_owned()), subject: format!("Order {attack}"), ..email() };
        to_server(port).send(&injected).await.unwrap();

        let received = server.join().unwrap();
        assert_eq!(received.matches("RCPT TO").count(), 1);
        assert!(received.contains("RCPT TO:<ada@example.com>"));
        let (headers, _body) = received.split_once("DATA\n").unwrap().1.split_once("\n\n").unwrap();
        let mut names: Vec<_> = headers.lines().filter(|l| !l.starts_with(' ')).map(|l| l.split(':').next()).collect();
        names.sort_unstable();
        let ours = ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
        assert_eq!(names, ours.map(Some));
        assert!(headers.contains("Subject: Order Ada\" <eve@example.com>, Bcc: eve@example.com body\n"));
        assert!(headers.contains("Message-ID: <order-12.confirmation@shop.example>"));
    }

    #[tokio::test]
    async fn the_same_mail_sent_twice_is_one_file_in_the_outbox() {
        let (mailer, outbox) = to_outbox();
        mailer.check().await.unwrap();
        mailer.send(&email()).await.unwrap();
        mailer.send(&email()).await.unwrap();

        let files: Vec<_> = std::fs::read_dir(&outbox).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["order-12.confirmation@shop.example.eml"]);
        let mail = std::fs::read_to_string(outbox.join(&files[0])).unwrap();
        assert!(mail.contains("multipart/alternative") && mail.contains("To: \"Ada Lovelace\" <ada@example.com>"));
        std::fs::remove_dir_all(outbox).unwrap();
    }

    #[test]
    fn a_message_id_cannot_name_a_file_elsewhere() {
        assert_eq!(file_name("<../../etc/passwd>"), "..%2F..%2Fetc%2Fpasswd.eml");
        assert_ne!(file_name("<a/b@shop>"), file_name("<a%2Fb@shop>"));
    }

    #[tokio::test]
    async fn a_5xx_is_final_and_a_4xx_or_no_server_is_not() {
        let (port, _server) = server_that_answers("550 5.1.1 <ada@example.com> is unknown");
        let Err(MailError::Refused(why)) = to_server(port).send(&email()).await else { panic!("not refused") };
        assert!(why.contains("5.1.1 (address) is unknown") && !why.contains("ada@"), "{why}");

        for answer in ["451 try later", "535 our sign-in failed"] {
            let (port, _server) = server_that_answers(answer);
            assert!(matches!(to_server(port).send(&email()).await, Err(MailError::Unavailable(_))), "{answer}");
        }

        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(matches!(to_server(nobody).send(&email()).await, Err(MailError::Unavailable(_))));
        assert!(to_server(nobody).check().await.unwrap_err().contains("SMTP_URL"));
    }

    #[tokio::test]
    async fn an_address_nobody_can_have_is_refused() {
        let (mailer, outbox) = to_outbox();
        let lost = Email { to: "ada@@example\r\nBcc: eve@example.com".to_owned(), ..email() };
        assert!(matches!(mailer.send(&lost).await, Err(MailError::Refused(_))));
        std::fs::remove_dir_all(outbox).unwrap();
    }

    #[tokio::test]
    async fn bad_settings_are_named_and_the_password_is_not() {
        for url in ["hunter2", "smtp://shop:hunter2", "http://shop:hunter2@host", "hunter2:shop@host", "smtp://"] {
            let error = Mailer::new(Some(&url.into()), "shop@localhost", PathBuf::new()).err().expect(url);
            let shown = format!("{error:#} {error:?}");
            assert!(shown.contains("SMTP_URL") && !shown.contains("hunter2"), "{shown}");
        }
        let error = Mailer::new(None, "the shop", PathBuf::new()).err().unwrap().to_string();
        assert!(error.contains("MAIL_FROM") && error.contains("the shop"), "{error}");
    }
}
