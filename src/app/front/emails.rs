//! The outbox of a demo: the list, and each e-mail.
//!
//! An e-mail can contain text by anyone, for example a customer's name. It is shown in a frame that cannot run scripts, load
//! files or open links, and that only our own pages can embed.

use platform::{
    clock::Timestamp,
    http::problem::{ApiResult, Problem},
    mail::outbox::{self, OutboxEmail},
};
use poem::{
    Request, Response, handler,
    http::{HeaderValue, header},
    web::{Data, Path},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Visitor, about, page};
use crate::shop::Shop;

/// The content security policy of the frame.
const FRAMED: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'self'";

/// The newest e-mails and their folder; `null` when they are sent to a mail server.
pub async fn list(shop: &Shop) -> ApiResult<Value> {
    let Some(outbox) = shop.mailer.outbox().map(ToOwned::to_owned) else { return Ok(Value::Null) };
    let folder = outbox.display().to_string();
    let (newest, total) = read(move || outbox::newest(&outbox)).await?;
    Ok(json!({"folder": folder, "total": total, "emails": newest.iter().map(email_view).collect::<Vec<_>>()}))
}

#[handler]
pub async fn email(request: &Request, shop: Data<&Shop>, Path(name): Path<String>) -> ApiResult<Response> {
    let (visitor, entry) = find(request, &shop, name).await?;
    let links: Vec<Value> = links(&entry.email.text).map(|link| link_view(link, &visitor.base)).collect();
    page(
        "email.html",
        &json!({"shop": about(&shop), "email": email_view(&entry), "text": entry.email.text, "links": links}),
    )
}

/// The e-mail itself, for the frame. Its links would open new windows, which the frame must not: so they do nothing.
#[handler]
pub async fn framed(request: &Request, shop: Data<&Shop>, Path(name): Path<String>) -> ApiResult<Response> {
    let (_, entry) = find(request, &shop, name).await?;
    let html = entry.email.html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    let mut response = Response::builder().content_type("text/html; charset=utf-8").body(html);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FRAMED));
    Ok(response)
}

async fn find(request: &Request, shop: &Shop, name: String) -> ApiResult<(Visitor, OutboxEmail)> {
    let visitor = Visitor::of_demo(request, shop).await?.ok_or_else(Problem::not_found)?;
    let outbox = shop.mailer.outbox().ok_or_else(Problem::not_found)?.to_owned();
    let entry = read(move || outbox::find(&outbox, &name)).await?.ok_or_else(Problem::not_found)?;
    Ok((visitor, entry))
}

/// Files are read off the async threads.
async fn read<T: Send + 'static>(read: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> ApiResult<T> {
    tokio::task::spawn_blocking(read).await.map_err(Problem::internal)?.map_err(Problem::internal)
}

fn email_view(entry: &OutboxEmail) -> Value {
    let in_address = entry.name.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    json!({
        "address": format!("/outbox/{in_address}"),
        "from": entry.email.from,
        "to": entry.email.to,
        "subject": entry.email.subject,
        "at": Timestamp::from_date_time(OffsetDateTime::from(entry.at)).in_words(),
    })
}

fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().filter(|word| word.starts_with("http://") || word.starts_with("https://"))
}

/// A link, and the command that does what the storefront's page would do with its token. There is no command for a token that
/// has other characters than ours.
fn link_view(link: &str, base: &str) -> Value {
    let token = |page: &str| {
        let (_, token) = link.split_once(page)?;
        let is_ours =
            !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_ours.then_some(token)
    };
    let curl = |path: &str, sent: Value| {
        Some(format!("curl -si {base}{path} \\\n  -H 'Content-Type: application/json' \\\n  -d '{sent}'"))
    };
    let command = if let Some(token) = token("/verify-email?token=") {
        curl("/api/auth/email/verify", json!({"token": token}))
    } else if let Some(token) = token("/reset-password?token=") {
        curl("/api/auth/password/reset", json!({"token": token, "password": "a new password"}))
    } else {
        None
    };
    json!({"url": link, "command": command})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_with_a_token_of_ours_comes_with_its_command() {
        let command = |link: &str| link_view(link, "http://localhost:8000")["command"].as_str().map(ToOwned::to_owned);
        let verify = command("https://front.example/verify-email?token=Ab-9_x").unwrap();
        assert!(
            verify.contains("http://localhost:8000/api/auth/email/verify") && verify.contains(r#"{"token":"Ab-9_x"}"#)
        );
        assert!(command("http://x/reset-password?token=1").unwrap().contains("\"password\""));
        for other in ["http://x/reset-password?token=", "http://x/reset-password?token=1';reboot;'", "http://x/"] {
            assert_eq!(command(other), None);
        }
    }
}
