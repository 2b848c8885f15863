//! `/ui/`: a page that shows what the interface can do, for people who would rather look than read.
//!
//! Its files are part of the program. They ask nobody but the server that they came from, so whatever the
//! page can do, every other client can do. docs/design/page.md says how it is made, and why.

mod embedded;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::headers::{has_already, set};
use super::operation::Operation;
use super::route::Route;
use embedded::File;

/// Where the page lies. It holds no secrets, so it is open to those without a key; what it asks for is not.
const HOME: &str = "/ui/";

/// What a browser may do with the page: load what it consists of, ask the server that it came from, and
/// nothing else. No text becomes markup or a script, whoever wrote it: nothing here makes a trusted type.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // Another version of the program has another page.
    (header::CACHE_CONTROL, "no-cache"),
];

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    const READ: &str = "HEAD, GET";
    vec![
        Route::new("/ui", READ, get(|| async { lead(StatusCode::MOVED_PERMANENTLY) })),
        Route::new(HOME, READ, get(|headers: HeaderMap| async move { send("index.html", &headers) })),
        Route::new("/ui/{*path}", READ, get(file)),
    ]
}

/// What is described of them.
pub(super) fn operations() -> Vec<Operation> {
    let page = |path| {
        Operation::read(path, "A page that shows what the interface can do, and its files.")
            .answers_any(200, "The file.")
            .answers_nothing(304, "The client has the current file.")
            .answers_text(404, "The page has no file of this name.")
            .open()
    };
    let way = Operation::read("/ui", "Leads to the page.").answers_nothing(301, "The page's address.").open();
    vec![
        way,
        page(HOME),
        page("/ui/{path}").with("path", "the name of a file, in which there may be slashes"),
    ]
}

/// Whether a request is for the page or for the way to it.
pub(super) fn is_asked_for(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    path.starts_with(HOME) || path == "/ui" || path == "/" && wants_page(method, headers)
}

/// What is at `/`: for browsers the way to the page, for all else what `otherwise` answers.
pub(super) async fn root(method: Method, headers: HeaderMap, otherwise: fn() -> Response) -> Response {
    let mut response = if wants_page(&method, &headers) { lead(StatusCode::FOUND) } else { otherwise() };
    if method == Method::GET {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    }
    response
}

/// Browsers name HTML when they open a page. Programs that ask whether somebody is there do not.
fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    let named = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut ranges = named.flat_map(|value| value.split(','));
    let is_html = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        is_named && !parts.any(|part| matches!(part.strip_prefix("q=").map(str::parse::<f32>), Some(Ok(0.0))))
    };
    method == Method::GET && ranges.any(is_html)
}

fn lead(status: StatusCode) -> Response {
    (status, [(header::LOCATION, HeaderValue::from_static(HOME))]).into_response()
}

/// `GET /ui/PATH`
async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    send(&path, &headers)
}

fn send(path: &str, asked: &HeaderMap) -> Response {
    let mut response = match File::find(path) {
        Some(file) => answer(file, asked),
        None => (StatusCode::NOT_FOUND, "the page has no file of this name").into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn answer(file: &File, asked: &HeaderMap) -> Response {
    let tag = file.tag();
    let mut response = match has_already(asked, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, file.content_type())], file.bytes).into_response(),
    };
    set(response.headers_mut(), header::ETAG, tag);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_browsers_that_open_a_page_are_sent_to_it() {
        let wants = |method, accept| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            wants_page(&method, &headers)
        };
        assert!(wants(Method::GET, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(wants(Method::GET, "application/json, Text/HTML; q=0.5"));
        for accept in ["*/*", "text/*", "application/json", "text/html;q=0", "text/htmlx", ""] {
            assert!(!wants(Method::GET, accept), "{accept}");
        }
        assert!(!wants(Method::HEAD, "text/html"));
        assert!(!wants_page(&Method::GET, &HeaderMap::new()));
    }
}
