//! The page: who gets it, and what a browser is told about it.

use axum::http::StatusCode;
use ollamake::config::ApiKey;

use crate::in_process::{Answer, InProcess};

const BROWSER: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_str().unwrap()
}

#[tokio::test]
async fn browsers_are_sent_to_the_page_and_programs_are_answered_as_by_ollama() {
    let server = InProcess::new();
    let sent = server.call_with("GET", "/", &[BROWSER], "").await;
    assert_eq!((sent.status, header(&sent, "location")), (StatusCode::FOUND, "/ui/"));
    assert_eq!(header(&sent, "vary"), "Accept");
    for headers in [&[][..], &[("Accept", "*/*")]] {
        let told = server.call_with("GET", "/", headers, "").await;
        assert_eq!((told.status, told.body.as_str()), (StatusCode::OK, "Ollama is running"));
        assert_eq!(header(&told, "vary"), "Accept");
    }
    let head = server.call_with("HEAD", "/", &[BROWSER], "").await;
    assert_eq!((head.status, head.headers.get("vary")), (StatusCode::OK, None));
    let origin = [BROWSER, ("Origin", "http://localhost:3000")];
    let other = server.call_with("GET", "/", &origin, "").await;
    let vary: Vec<_> = other.headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["Accept", "Origin"]);
    let lead = server.call_with("GET", "/ui", &[BROWSER], "").await;
    assert_eq!((lead.status, header(&lead, "location")), (StatusCode::MOVED_PERMANENTLY, "/ui/"));
}

#[tokio::test]
async fn files_have_types_tags_and_a_policy() {
    let server = InProcess::new();
    for (path, kind) in [
        ("/ui/", "text/html; charset=utf-8"),
        ("/ui/main.js", "text/javascript; charset=utf-8"),
        ("/ui/style/base.css", "text/css; charset=utf-8"),
        ("/ui/icon.svg", "image/svg+xml"),
    ] {
        let file = server.get(path).await;
        assert_eq!((file.status, header(&file, "content-type")), (StatusCode::OK, kind), "{path}");
        let policy = header(&file, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&file, "x-content-type-options"), "nosniff");
        assert_eq!(header(&file, "referrer-policy"), "no-referrer");
        let tag = header(&file, "etag");
        assert!(tag.starts_with('"') && tag.len() > 30, "a strong tag: {tag}");
        let again = server.call_with("GET", path, &[("If-None-Match", tag)], "").await;
        assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
        let head = server.call_with("HEAD", path, &[], "").await;
        assert_eq!((head.status, header(&head, "etag")), (StatusCode::OK, tag), "{path}");
        let stale = server.call_with("GET", path, &[("If-None-Match", "\"other\"")], "").await;
        assert_eq!((stale.status, stale.body == file.body), (StatusCode::OK, true), "{path}");
    }
    let page = server.get("/ui/").await.body;
    assert!(page.contains("<html lang=\"en\">") && page.contains("<main") && page.contains("<h1>"), "{page}");
    assert!(!page.contains("://"), "no link leads elsewhere");
}

#[tokio::test]
async fn nothing_else_lies_under_the_page() {
    let server = InProcess::new();
    for path in ["/ui/none", "/ui/style", "/ui/index.html/", "/ui/%2e%2e/Cargo.toml", "/ui/..%2fmod.rs"] {
        let missing = server.get(path).await;
        assert!(matches!(missing.status.as_u16(), 404 | 307), "{path}: {}", missing.status);
    }
    let posted = server.call("POST", "/ui/", "").await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    for headers in [&[("Host", "evil.example")][..], &[("Origin", "http://evil.example")]] {
        assert_eq!(server.call_with("GET", "/ui/", headers, "").await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn the_page_is_served_without_the_key_and_all_that_it_asks_for_is_not() {
    let server = InProcess::with(|config| config.api_key = Some(ApiKey::parse("secret").unwrap()));
    for path in ["/ui", "/ui/", "/ui/main.js"] {
        assert!(server.get(path).await.status.as_u16() < 400, "{path}");
    }
    assert_eq!(server.call_with("GET", "/", &[BROWSER], "").await.status, StatusCode::FOUND);
    for path in ["/", "/api/tags", "/ollamake/v1/store", "/ollamake/v1/jobs", "/uix"] {
        assert_eq!(server.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}
