//! A server of ours as the library of others. It lists itself what refers to a manifest, so nobody keeps an
//! index.

use std::time::Duration;

use ollamake::store::Store;
use serde_json::{Value, json};

use super::Machine;
use super::cache::machine_with;
use super::servers::{Server, ask, weights};
use crate::registry::model::Model;
use crate::support::process::Process;

/// A server with a store of its own, which knows nothing of being a library.
struct Shelf {
    directory: tempfile::TempDir,
    process: Process,
}

impl Shelf {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let process = Process::start(directory.path(), &[]);
        Self { directory, process }
    }

    fn host(&self) -> &str {
        &self.process.address
    }

    async fn get(&self, path: &str) -> Value {
        let (status, text) = ask(self.host(), "GET", path, Vec::new()).await.unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_on_one_server_the_next_finds_among_the_referrers() {
    let shelf = Shelf::start();
    let one = Server::of(shelf.host(), &[("OLLAMAKE_PUBLISH", "1")]);
    let other = Server::of(shelf.host(), &[]);
    one.create("base", 1, json!({})).await;
    one.done("/api/create", json!({"model": "alice/base:q4", "from": "base", "quantize": "q4_K_M"})).await;

    // A name of two parts is a model of the library's own, and another is kept for its repository.
    let names = shelf.get("/api/tags").await;
    let names: Vec<_> = names["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["team/base:latest"]);
    let tags = shelf.get("/v2/team/alice/base/tags/list").await;
    assert_eq!(tags["tags"], json!(["q4"]));
    // What was made of what has no tag: it is found by what it was made of.
    assert_eq!(shelf.get("/v2/team/ollamake-results/tags/list").await["tags"], json!([]));

    let mine = json!({"model": "mine", "from": "base", "quantize": "q4_K_M"});
    let statuses = other.done("/api/create", mine).await;
    let remembered = format!("using what the library {}/team remembers to have been made", shelf.host());
    assert!(statuses.contains(&remembered), "{statuses:?}");
    assert_eq!(other.weights_of("mine").await, one.weights_of("alice/base:q4").await);
    let jobs = other.get("/ollamake/v1/jobs").await;
    assert_eq!(jobs["jobs"].as_array().unwrap().last().unwrap()["bytes_out"], 0, "{jobs}");
    // Another type has been made by nobody.
    let statuses =
        other.done("/api/create", json!({"model": "mine:q8", "from": "base", "quantize": "q8_0"})).await;
    assert!(!statuses.contains(&remembered), "{statuses:?}");

    let mark =
        async |server: &Server, name: &str| server.listed(name).await.map(|model| model["library"].clone());
    assert_eq!(mark(&other, "base:latest").await, Some(json!("same")));
    assert_eq!(mark(&other, "alice/base:q4").await, Some(json!("only")));
    assert_eq!(mark(&other, "mine:latest").await, Some(Value::Null));
    let store = Store::open(shelf.directory.path()).unwrap();
    let report = store.check(true, |_| {}).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_holds_gives_way_and_what_has_moved_there_stays() {
    let shelf = Shelf::start();
    let machine = machine_with(shelf.host(), &["a", "alice/b", "moved", "last"]).await;
    let other = Machine::of(shelf.host());
    let won = Model::new(3000, &[300_000]);
    won.put(&other.store, "moved");
    assert!(other.publish("moved").await.unwrap().displaced.is_some());

    let evicted = machine.client.evict(1, |_| false).await.unwrap();
    let gone: Vec<_> = evicted.gone.iter().map(|(name, _)| name.short()).collect();
    assert_eq!(gone, ["a:latest", "alice/b:latest"], "{evicted:?}");
    assert_eq!(evicted.other.iter().map(|(name, _)| name.model()).collect::<Vec<_>>(), ["moved"]);
    for (name, seed) in [("a", 1000), ("alice/b", 1010)] {
        assert!(machine.fetch(name).await.unwrap().is_some(), "{name}");
        Model::new(seed, &[300_000]).assert_in(&machine.store, name);
    }
    let placed = machine.fetch("moved").await.unwrap().unwrap();
    assert!(placed.replaced.is_some());
    won.assert_in(&machine.store, "moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_goes_on_when_it_is_started_again() {
    let mut shelf = Shelf::start();
    let address = shelf.host().to_owned();
    let server = Server::of(&address, &[]);
    server.create("before", 1, json!({"publish": true})).await;
    shelf.process.kill();
    let digest = server.upload(&weights(2)).await;
    let request = json!({"model": "owed", "files": {"model.gguf": digest}, "publish": true, "detach": true});
    assert_eq!(server.send("POST", "/api/create", request.to_string().into_bytes()).await.0, 202);
    while server.until_job("running").await["stage"] != "publish" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shelf.process = Process::start(shelf.directory.path(), &[("OLLAMA_HOST", &address)]);
    let published = async {
        while server.listed("owed:latest").await.unwrap()["library"] != "same" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), published).await.unwrap();
    assert_eq!(server.listed("before:latest").await.unwrap()["library"], "same");
}
