//! A response of the simulator.

use bytes::Bytes;
use poem::http::StatusCode;
use serde_json::Value;

#[derive(Clone)]
pub(super) struct Response {
    pub status: u16,
    pub body: Bytes,
    pub headers: Vec<(&'static str, String)>,
}

impl Response {
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, body: body.to_string().into(), headers }
    }

    pub fn html(page: String) -> Self {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let headers = vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", policy.to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        Self { status: 200, body: page.into(), headers }
    }

    /// `303 See Other`.
    pub fn redirect(location: String) -> Self {
        Self { status: 303, body: Bytes::new(), headers: vec![("location", location)] }
    }

    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same response with every amount in it off by one in its last digit.
    pub fn with_wrong_amounts(mut self) -> Self {
        if let Ok(mut value) = serde_json::from_slice::<Value>(&self.body) {
            falsify_amounts(&mut value);
            self.body = value.to_string().into();
        }
        self
    }
}

fn falsify_amounts(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(falsify_amounts),
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), &mut *field) {
                    ("amount" | "amount_received" | "amount_paid", Value::Number(number)) => {
                        *field = (number.as_i64().unwrap_or_default() + 1).into();
                    }
                    ("value", Value::String(amount)) => {
                        let last = if amount.ends_with('9') { '8' } else { '9' };
                        amount.pop();
                        amount.push(last);
                    }
                    _ => falsify_amounts(field),
                }
            }
        }
        _ => {}
    }
}

impl From<Response> for poem::Response {
    fn from(response: Response) -> Self {
        let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let builder = Self::builder().status(status);
        response
            .headers
            .into_iter()
            .fold(builder, |builder, (name, value)| builder.header(name, value))
            .body(response.body)
    }
}
