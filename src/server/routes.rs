//! The routes, and what is answered where there is none: texts, redirects and `Allow` as Ollama's router
//! (the `gin` package behind Go's `net/http`) gives them.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, head, post};
use tower_http::catch_panic::CatchPanicLayer;

use super::Server;
use super::access::{self, AccessRules};
use super::errors::Failure;
use super::route::Route;
use super::{
    api_key, blobs, copy_delete, create, extensions, health, inference, observe, openai, openapi, page,
    pull_push, registry_api, scrape, show, tags, version,
};

/// The interface as a service.
///
/// ```
/// use axum::body::Body;
/// use http_body_util::BodyExt;
/// use hyper::Request;
/// use ollamake::config::Config;
/// use ollamake::server::{Server, router};
/// use ollamake::store::Store;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let directory = tempfile::tempdir()?;
/// let server = Server::new(Config::for_store(directory.path()), Store::open(directory.path())?);
/// let request = Request::get("/api/tags").header("host", "localhost").body(Body::empty())?;
/// let answer = router(&server).oneshot(request).await?;
/// assert_eq!(answer.into_body().collect().await?.to_bytes(), r#"{"models":[]}"#);
/// # Ok(())
/// # }
/// ```
pub fn router(server: &Arc<Server>) -> Router {
    let mut router = Router::new();
    for Route { path, allow, handlers } in routes() {
        let refuse = move || async move { method_not_allowed(allow) };
        // A handler of GET would answer HEAD too; Ollama's router wants that said.
        let handlers = match allow {
            "GET" => handlers.head(refuse),
            _ => handlers,
        };
        router = router.route(path, handlers.fallback(refuse));
    }
    let rules = Arc::new(AccessRules::new(&server.config));
    let mut router = router
        .fallback(not_found)
        .with_state(Arc::clone(server))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(redirect_to_clean_path));
    if server.config.api_key.is_some() {
        router = router.layer(from_fn_with_state(Arc::clone(server), api_key::require));
    }
    router
        .layer(from_fn_with_state(rules, access::enforce))
        .layer(from_fn_with_state(Arc::clone(server), observe::observe))
}

fn routes() -> Vec<Route> {
    let route = Route::new;
    let mut routes = vec![
        route("/", "HEAD, GET", get(|method, headers| page::root(method, headers, running))),
        route("/api/version", "HEAD, GET", get(version::version)),
        route("/api/status", "GET", get(version::status)),
        route("/api/ps", "GET", get(version::running)),
        route("/api/tags", "HEAD, GET", get(tags::tags)),
        route("/api/show", "POST", post(show::show)),
        route("/api/copy", "POST", post(copy_delete::copy)),
        route("/api/delete", "DELETE", delete(copy_delete::delete)),
        route("/api/create", "POST", post(create::create)),
        route("/api/pull", "POST", post(pull_push::pull)),
        route("/api/push", "POST", post(pull_push::push)),
        route("/api/blobs/{digest}", "HEAD, POST", head(blobs::head).post(blobs::upload)),
        route(health::PATH, "HEAD, GET", get(health::health)),
        route("/metrics", "GET", get(scrape::metrics)),
        route("/v1/models", "GET", get(openai::models)),
        route("/v1/models/{model}", "GET", get(openai::model)),
    ];
    for path in inference::PATHS {
        routes.push(route(path, "POST", post(inference::refuse)));
    }
    for path in inference::OPENAI_PATHS {
        routes.push(route(path, "POST", post(inference::refuse_openai)));
    }
    routes.push(route(openapi::PATH, "HEAD, GET", get(openapi::document)));
    routes.extend(extensions::routes());
    routes.extend(page::routes());
    routes.extend(registry_api::routes());
    routes
}

fn running() -> Response {
    plain(StatusCode::OK, "text/plain; charset=utf-8", "Ollama is running")
}

fn method_not_allowed(allow: &'static str) -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "405 method not allowed");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Where there is no route: perhaps there is one without the slash at the end.
async fn not_found(method: Method, uri: Uri) -> Response {
    let without_slash = uri.path().strip_suffix('/').filter(|path| !path.is_empty());
    let known = without_slash.filter(|path| {
        routes().iter().any(|route| route.matches(path) && route.allow.contains(method.as_str()))
    });
    match known {
        Some(path) if method == Method::GET => redirect(StatusCode::MOVED_PERMANENTLY, &method, path, &uri),
        Some(path) => redirect(StatusCode::TEMPORARY_REDIRECT, &method, path, &uri),
        None => plain(StatusCode::NOT_FOUND, "text/plain", "404 page not found"),
    }
}

/// Sends a client that asks for a path with empty, `.` or `..` parts to the plain one.
async fn redirect_to_clean_path(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_clean = !path.split('/').skip(1).any(|part| part == "." || part == "..") && !path.contains("//");
    if is_clean || !path.starts_with('/') {
        return next.run(request).await;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    let target = format!("/{}{end}", parts.join("/"));
    redirect(StatusCode::TEMPORARY_REDIRECT, request.method(), &target, request.uri())
}

fn redirect(status: StatusCode, method: &Method, path: &str, uri: &Uri) -> Response {
    let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let Ok(location) = HeaderValue::from_str(&target) else {
        return plain(StatusCode::NOT_FOUND, "text/plain", "404 page not found");
    };
    let escaped =
        target.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
    let reason = status.canonical_reason().unwrap_or_default();
    let mut response = match *method {
        Method::GET => {
            plain(status, "text/html; charset=utf-8", format!("<a href=\"{escaped}\">{reason}</a>.\n\n"))
        }
        _ => status.into_response(),
    };
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn plain(status: StatusCode, content_type: &'static str, text: impl IntoResponse) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], text).into_response()
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request panicked");
    Failure::internal("the request failed because of a defect in the server; see its log").into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::server::operation::method_name;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let described = openapi::operations();
        let routes = routes();
        for route in &routes {
            let matching = described.iter().filter(|operation| route.matches(operation.path));
            let methods = matching.flat_map(|operation| &operation.methods);
            let methods: BTreeSet<_> = methods.map(method_name).collect();
            let allowed: BTreeSet<_> = route.allow.split(", ").collect();
            assert_eq!(methods, allowed, "{}: add to the operations beside its handler", route.path);
        }
        for operation in &described {
            let answers = routes.iter().any(|route| route.matches(operation.path));
            assert!(answers, "{} is described, and there is no such route", operation.path);
        }
    }
}
