//! The pages for people: Swagger UI, Scalar, and one for each kind of problem.

use platform::http::{
    problem::{ApiResult, Problem, ProblemType},
    static_page::StaticPage,
};
use poem::{
    IntoResponse, Response, Route, get, handler,
    http::{HeaderValue, header},
    web::{Html, Path},
};

use crate::app::problems;

/// Swagger UI, opened ready to try: the token is kept when the page is loaded again.
///
/// poem-openapi renders its page around its own document, which is exchanged for the completed one.
#[must_use]
pub fn swagger(page: &str, bare: &str, document: &str) -> StaticPage {
    let options = "deepLinking: true,\n        persistAuthorization: true,\n        tryItOutEnabled: true,";
    html(page.replacen(bare, document, 1).replacen("deepLinking: true,", options, 1))
}

#[must_use]
pub fn scalar(page: &str, bare: &str, document: &str) -> StaticPage {
    html(page.replacen(bare, document, 1))
}

fn html(page: String) -> StaticPage {
    StaticPage::new("text/html; charset=utf-8", page)
}

/// `/problems`, where all are listed, and `/problems/{code}`.
#[must_use]
pub fn problems() -> Route {
    Route::new().at("/", get(all_problems)).at("/:code", get(one_problem))
}

#[handler]
fn all_problems() -> Response {
    let item = |problem: &ProblemType| {
        format!(
            "<li><a href=\"/problems/{0}\"><code>{0}</code></a> ({1}) {2}</li>",
            problem.code,
            problem.status,
            words(problem.description)
        )
    };
    page("Errors", &format!("<ul>{}</ul>", problems::ALL.iter().map(item).collect::<String>()))
}

#[handler]
fn one_problem(Path(code): Path<String>) -> ApiResult<Response> {
    let problem = problems::find(&code).ok_or_else(Problem::not_found)?;
    let body = format!(
        "<p>Status {}, code <code>{}</code></p><h2>What happened</h2><p>{}</p><h2>What to do</h2><p>{}</p>\
         <p><a href=\"/problems\">All errors</a> · <a href=\"/docs\">API</a></p>",
        problem.status,
        problem.code,
        words(problem.description),
        words(problem.resolution),
    );
    Ok(page(&problem.title(), &body))
}

/// `` `code` `` becomes code; everything else stands as it is.
fn words(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let piece = |(index, piece)| if index % 2 == 0 { str::to_owned(piece) } else { format!("<code>{piece}</code>") };
    escaped.split('`').enumerate().map(piece).collect()
}

fn page(title: &str, body: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>body{{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}\
         code{{background:#f0f0f2;padding:.1em .3em;border-radius:.2em}}li{{margin:.4em 0}}</style></head>\
         <body><h1>{title}</h1>{body}</body></html>"
    );
    let mut response = Html(html).into_response();
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
