//! What requests cost in a store of many models, against one of few, in the same run.
//!
//! `cargo bench --bench http`: a create that only changes metadata (the same with 5,000 models as with 10),
//! and `tags` with 5,000 models, warm (at most 20 ms).

#[path = "support/median.rs"]
mod median;
#[path = "support/models.rs"]
mod models;

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Request;
use median::median;
use models::add_models;
use ollamake::config::Config;
use ollamake::server::{Server, router};
use ollamake::store::Store;
use tempfile::TempDir;
use tower::ServiceExt;

const FEW: usize = 10;
const MANY: usize = 5_000;
const CREATES: usize = 60;
const LISTINGS: usize = 30;

struct Bench {
    router: Router,
    store: Store,
    _directory: TempDir,
}

impl Bench {
    /// A store with so many models.
    fn new(models: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        add_models(&store, models);
        let server = Server::new(Config::for_store(directory.path()), store.clone());
        Self { router: router(&server), store, _directory: directory }
    }

    async fn call(&self, method: &str, path: &str, body: String) -> (usize, Duration) {
        let start = Instant::now();
        let request = Request::builder().method(method).uri(path).header("Host", "localhost");
        let request = request.body(Body::from(body)).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (body.len(), start.elapsed())
    }

    /// The median time of making a model from another with a new system prompt.
    async fn create(&self) -> Duration {
        let mut times = Vec::new();
        for index in 0..CREATES {
            let body = format!(
                r#"{{"model": "new{index}", "from": "model0", "system": "new {index}", "stream": false}}"#
            );
            times.push(self.call("POST", "/api/create", body).await.1);
        }
        median(times)
    }

    async fn tags(&self) -> (usize, Duration) {
        let (length, _) = self.call("GET", "/api/tags", String::new()).await;
        let mut times = Vec::new();
        for _ in 0..LISTINGS {
            times.push(self.call("GET", "/api/tags", String::new()).await.1);
        }
        (length, median(times))
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (few, many) = (Bench::new(FEW), Bench::new(MANY));
    runtime.block_on(async {
        let (small, large) = (few.create().await, many.create().await);
        println!("create with {FEW} models: {small:.2?}, with {MANY}: {large:.2?}");
        println!("ratio: {:.2} (about 1)", large.as_secs_f64() / small.as_secs_f64());
        // Until the clock of the file system has moved on, files that are new are read again.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let (length, time) = many.tags().await;
        let listing = (0..LISTINGS).map(|_| {
            let start = Instant::now();
            assert!(many.store.list().expect("the store can be read").len() >= MANY);
            start.elapsed()
        });
        println!("the store's own listing: {:.2?}", median(listing.collect()));
        println!("tags with {MANY} models ({length} bytes), warm: {time:.2?} (at most 20 ms)");
    });
}
