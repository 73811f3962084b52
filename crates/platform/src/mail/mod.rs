//! E-mail on its way out: over SMTP, or as files in an outbox.
//!
//! SMTP cannot promise that a message is delivered exactly once. So the Message-ID is a function of what the e-mail is
//! about, never random: when a job runs again because the server's answer was lost, the second copy carries the same
//! id, and in the outbox it replaces the first.
//!
//! Neither errors nor logs repeat an address or the SMTP password: a server's reply is shown without its addresses,
//! and of a bad `SMTP_URL` nothing is shown at all.

pub mod kept;
mod once;
mod typed;

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

pub use once::send_once;
pub use typed::without_links;

/// How long one conversation with the mail server may take, from connecting to its last answer. lettre itself only
/// limits connecting: a server that accepts and then says nothing would hold a worker for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one of the server's network addresses may take to accept, so that the next one still gets its turn.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);

/// One e-mail ready to go.
pub struct Letter {
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
    /// Trying again makes no sense: this letter will never be taken.
    #[error("the e-mail was refused: {0}")]
    Refused(String),
    /// Trying again later may work.
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

/// Sends the shop's e-mail. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Smtp(Server),
    Outbox(PathBuf),
}

type Server = AsyncSmtpTransport<Tokio1Executor>;

impl Mailer {
    /// Without an `smtp_url`, e-mails are written into `outbox`, which is created when missing. Must be called inside
    /// the tokio runtime, where lettre starts a task of its own.
    ///
    /// # Errors
    /// When a setting cannot be used; the error says which and what to write instead.
    pub fn new(smtp_url: Option<&SecretString>, from: &str, outbox: PathBuf) -> anyhow::Result<Mailer> {
        let from = sender(from)?;
        let way = match smtp_url {
            Some(url) => Way::Smtp(server_at(url)?),
            None => Way::Outbox(created(outbox)?),
        };
        Ok(Mailer { from, way })
    }

    /// Sends one letter, or says whether trying again makes sense.
    ///
    /// # Errors
    /// [`MailError::Refused`] for an address no mail can go to and for a server's 5xx about the letter,
    /// [`MailError::Unavailable`] for everything else.
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let message = compose(&self.from, letter)?;
        match &self.way {
            Way::Smtp(server) => in_time(server.send(message)).await.map(|_accepted| ()),
            Way::Outbox(outbox) => write_whole(&outbox.join(file_name(&letter.message_id)), &message.formatted())
                .await
                .map_err(|why| MailError::Unavailable(cannot_write(outbox, &why))),
        }
    }

    /// The folder in which e-mails are kept, where no mail server takes them.
    #[must_use]
    pub fn outbox(&self) -> Option<&Path> {
        match &self.way {
            Way::Smtp(_) => None,
            Way::Outbox(outbox) => Some(outbox),
        }
    }

    /// Whether e-mail could leave right now, tried without sending any.
    ///
    /// # Errors
    /// What is wrong and which setting to look at.
    pub async fn is_reachable(&self) -> Result<(), String> {
        match &self.way {
            Way::Smtp(server) => match in_time(server.test_connection()).await {
                Ok(true) => Ok(()),
                Ok(false) => Err("the mail server closed the connection: check SMTP_URL".to_owned()),
                Err(MailError::Refused(why) | MailError::Unavailable(why)) => {
                    Err(format!("the mail server cannot be used: {why}. Check SMTP_URL and that the server is up"))
                }
            },
            Way::Outbox(outbox) => {
                let probe = outbox.join(".writable");
                write_whole(&probe, b"").await.map_err(|why| cannot_write(outbox, &why))?;
                tokio::fs::remove_file(&probe).await.map_err(|why| cannot_write(outbox, &why))
            }
        }
    }
}

/// A letter as a file of the kind that mail programs open, from this sender.
///
/// # Errors
/// When the sender is none, or the letter can go to nobody.
pub fn eml(from: &str, letter: &Letter) -> anyhow::Result<Vec<u8>> {
    Ok(compose(&sender(from)?, letter)?.formatted())
}

fn sender(from: &str) -> anyhow::Result<Mailbox> {
    from.parse().ok().with_context(|| {
        format!(
            "MAIL_FROM is {from:?}, not a valid sender: write `shop@example.com` or `\"My Shop\" <shop@example.com>`"
        )
    })
}

fn compose(from: &Mailbox, letter: &Letter) -> Result<Message, MailError> {
    let to: Address = letter
        .to
        .parse()
        .map_err(|_| MailError::Refused("the recipient's address is not a valid e-mail address".to_owned()))?;
    // Said outright, because lettre would otherwise read the recipient back out of a header that holds a name
    // somebody typed.
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()]);

    Message::builder()
        .envelope(envelope.map_err(|why| MailError::Refused(why.to_string()))?)
        .from(from.clone())
        .to(Mailbox::new(letter.to_name.as_deref().map(one_line).filter(|name| !name.is_empty()), to))
        .subject(one_line(&letter.subject))
        .message_id(Some(letter.message_id.clone()))
        .date_now()
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()))
        .map_err(|why| MailError::Refused(format!("it could not be put together: {why}")))
}

/// Names are typed by strangers. lettre lets no line break become a header, but over one in a name it panics.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Connections are not kept for the next letter. A send that ends early, because time ran out or its job was stopped,
/// would hand back a connection with an answer still on its way, which the next letter would take for its own.
fn server_at(url: &SecretString) -> anyhow::Result<Server> {
    let builder = Server::from_url(url.expose_secret()).ok().context(
        "SMTP_URL is not a mail server's address (its value is not shown, it may hold a password): write \
         `smtp://host:port`, `smtps://user:password@host` or `smtp://user:password@host:587?tls=required`, with \
         special characters in the user and the password percent-encoded",
    )?;
    let one_letter_each = smtp::PoolConfig::new().max_size(0);
    Ok(builder.timeout(Some(CONNECT_PATIENCE)).pool_config(one_letter_each).build())
}

async fn in_time<T>(conversation: impl Future<Output = Result<T, smtp::Error>>) -> Result<T, MailError> {
    match tokio::time::timeout(PATIENCE, conversation).await {
        Ok(result) => result.map_err(|why| judge(&why)),
        Err(_) => {
            Err(MailError::Unavailable(format!("the mail server did not finish within {} s", PATIENCE.as_secs())))
        }
    }
}

/// A 5xx is final, unless it is about our own sign-in: that is mended in the settings, and no letter should be lost
/// over it meanwhile.
fn judge(error: &smtp::Error) -> MailError {
    let about_our_sign_in = error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538));
    let why = without_addresses(&error.to_string());
    if error.is_permanent() && !about_our_sign_in { MailError::Refused(why) } else { MailError::Unavailable(why) }
}

/// Mail servers like to repeat the address they refuse. It belongs to a person, and this text ends up in logs.
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

/// A file named after the Message-ID, one to one. Whatever could mean something to a file system becomes `%` and its
/// number, so no id leaves the outbox and no two ids share a file.
fn file_name(message_id: &str) -> String {
    let id = message_id.trim_start_matches('<').trim_end_matches('>');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@+".contains(&byte);
    let spell = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    id.bytes().map(spell).collect::<String>() + ".eml"
}

/// Writes under a passing name first, so that nobody who watches the outbox reads half a letter.
async fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let passing = path.with_file_name(format!(".{}.tmp", uuid::Uuid::new_v4()));
    tokio::fs::write(&passing, content).await?;
    tokio::fs::rename(&passing, path).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread::JoinHandle;

    fn letter() -> Letter {
        Letter {
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

    /// A mail server for one conversation, with one answer to every recipient. Gives back all it was told.
    fn server_that_answers(rcpt: &'static str) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (port, std::thread::spawn(move || converse(listener.accept().unwrap().0, rcpt)))
    }

    fn converse(mut to_client: TcpStream, rcpt: &str) -> String {
        let from_client = BufReader::new(to_client.try_clone().unwrap());
        let (mut heard, mut in_data) = (String::new(), false);
        to_client.write_all(b"220 ready\r\n").unwrap();
        for line in from_client.lines().map_while(Result::ok) {
            heard.extend([&line, "\n"]);
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
        heard
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_line_break_in_a_name_or_subject_adds_no_header_and_no_recipient() {
        let (port, server) = server_that_answers("250 fine");
        let attack = "Ada\" <eve@example.com>,\r\nBcc: eve@example.com\r\n\r\nbody";
        let sly = Letter { to_name: Some(attack.to_owned()), subject: format!("Order {attack}"), ..letter() };
        to_server(port).send(&sly).await.unwrap();

        let heard = server.join().unwrap();
        assert_eq!(heard.matches("RCPT TO").count(), 1);
        assert!(heard.contains("RCPT TO:<ada@example.com>"));
        let (headers, _body) = heard.split_once("DATA\n").unwrap().1.split_once("\n\n").unwrap();
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
        mailer.is_reachable().await.unwrap();
        mailer.send(&letter()).await.unwrap();
        mailer.send(&letter()).await.unwrap();

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
        let Err(MailError::Refused(why)) = to_server(port).send(&letter()).await else { panic!("not refused") };
        assert!(why.contains("5.1.1 (address) is unknown") && !why.contains("ada@"), "{why}");

        for answer in ["451 try later", "535 our sign-in failed"] {
            let (port, _server) = server_that_answers(answer);
            assert!(matches!(to_server(port).send(&letter()).await, Err(MailError::Unavailable(_))), "{answer}");
        }

        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(matches!(to_server(nobody).send(&letter()).await, Err(MailError::Unavailable(_))));
        assert!(to_server(nobody).is_reachable().await.unwrap_err().contains("SMTP_URL"));
    }

    #[tokio::test]
    async fn an_address_nobody_can_have_is_refused() {
        let (mailer, outbox) = to_outbox();
        let lost = Letter { to: "ada@@example\r\nBcc: eve@example.com".to_owned(), ..letter() };
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
