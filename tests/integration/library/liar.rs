//! A library that does not tell the truth, is read-only, or slow.

use std::sync::Arc;
use std::time::Duration;

use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig, OCI_INDEX, OCI_MANIFEST};
use ollamake::registry::{Client, Config, Library, MadeFile, RegistryError};
use ollamake::store::Store;
use serde_json::{Value, json};

use super::Machine;
use super::servers::{Server, weights};
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::registry::impatient;
use crate::registry::model::Model;
use crate::registry::stub::{Asked, Stub, answer, blob_answer};

/// A machine with an older model and the one that was used last.
fn machine(registry: &Stub, older: &Model) -> Machine {
    let machine = Machine::of(&registry.host());
    older.put(&machine.store, "older");
    std::thread::sleep(Duration::from_millis(20));
    Model::new(9000, &[1000]).put(&machine.store, "last");
    machine
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_evicted_on_a_word_that_does_not_hold() {
    let model = Arc::new(Model::new(7000, &[50_000]));
    // Says yes to everything, or holds another manifest, or blobs of another length, or of none.
    let lies: [fn(&Asked, &Model) -> axum::response::Response; 4] = [
        |_, _| answer(200, &[], ""),
        |asked, model| match asked.uri.path().contains("/manifests/") {
            true => answer(200, &[], Model::new(1, &[10]).manifest),
            false => answer(200, &[("content-length", &model.blobs[0].len().to_string())], ""),
        },
        |asked, model| match asked.uri.path().contains("/manifests/") {
            true => answer(200, &[], model.manifest.clone()),
            false => answer(200, &[("content-length", "1")], "x"),
        },
        |asked, model| match asked.uri.path().contains("/manifests/") {
            true => answer(200, &[], model.manifest.clone()),
            false => answer(404, &[], ""),
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let told = model.clone();
        let registry = Stub::start(move |asked: &Asked| lie(asked, &told)).await;
        let machine = machine(&registry, &model);
        let evicted = machine.client.evict(1, |_| false).await;
        assert!(evicted.is_ok_and(|evicted| evicted.gone.is_empty()), "lie {number}");
        model.assert_in(&machine.store, "older");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_moves_while_it_is_looked_at_stays() {
    let model = Arc::new(Model::new(7100, &[50_000]));
    let told = model.clone();
    let registry = Stub::start(move |asked: &Asked| match asked.uri.path().contains("/manifests/") {
        true => answer(200, &[], told.manifest.clone()),
        false => {
            let blob = told.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap();
            answer(200, &[], blob.clone())
        }
    })
    .await;
    let machine = machine(&registry, &model);
    let before = machine.store.manifest(&"older".parse().unwrap()).unwrap();
    // It was looked at; now another one has its name.
    Model::new(7200, &[50_000]).put(&machine.store, "older");
    assert_eq!(machine.store.evict(&before).unwrap(), None);
    Model::new(7200, &[50_000]).assert_in(&machine.store, "older");
    // The truth is believed.
    model.put(&machine.store, "older");
    std::thread::sleep(Duration::from_millis(20));
    machine.store.note_used(&machine.store.manifest(&"last".parse().unwrap()).unwrap());
    assert_eq!(machine.client.evict(1, |_| false).await.unwrap().gone.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_takes_nothing_is_told_at_once() {
    for (status, body) in [(405, "read-only"), (403, "denied")] {
        let registry = Stub::start(move |asked: &Asked| match asked.method.as_str() {
            "GET" | "HEAD" => answer(404, &[], ""),
            _ => answer(status, &[], format!(r#"{{"errors":[{{"code":"X","message":"{body}"}}]}}"#)),
        })
        .await;
        let machine = Machine::of(&registry.host());
        Model::new(7300, &[1000]).put(&machine.store, "m");
        let error = machine.publish("m").await.unwrap_err();
        assert!(error.to_string().contains(body), "{error}");
        assert!(!error.may_be_mended(), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_library_is_not_waited_for_when_it_only_saves_work() {
    let registry = Stub::start(|_: &Asked| {
        std::thread::sleep(Duration::from_millis(300));
        answer(503, &[], "")
    })
    .await;
    let machine = Machine::of(&registry.host());
    let digest = Digest::of(b"x");
    let found = machine.client.recall(digest, &[(digest, 1)], None, |_| ()).await;
    assert!(matches!(found, Err(RegistryError::Refused { status: 503, .. }) | Ok(None)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_its_header_contradicts_is_no_evidence_and_no_model() {
    let model = Arc::new(Model::new(7400, &[50_000]));
    let told = model.clone();
    let other = Digest::of(b"another manifest").to_string();
    let registry = Stub::start(move |asked: &Asked| match asked.uri.path().contains("/manifests/") {
        true => answer(200, &[("docker-content-digest", &other)], told.manifest.clone()),
        false => {
            let blob = told.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap();
            blob_answer(asked, blob)
        }
    })
    .await;
    let machine = machine(&registry, &model);
    let evicted = machine.client.evict(1, |_| false).await;
    assert!(matches!(evicted, Err(RegistryError::WrongDigest { .. })), "{evicted:?}");
    model.assert_in(&machine.store, "older");
    let elsewhere = Machine::of(&registry.host());
    let fetched = elsewhere.fetch("older").await.unwrap_err();
    assert!(matches!(fetched, RegistryError::WrongDigest { .. }), "{fetched}");
    assert!(elsewhere.models().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_says_nothing_is_not_waited_for_when_it_only_saves_work() {
    let registry = Stub::start(|_: &Asked| {
        std::thread::sleep(Duration::from_secs(4));
        answer(200, &[], "{}")
    })
    .await;
    let library: Library = format!("http://{}/team", registry.host()).parse().unwrap();
    let config = Config { library: Some(library), recall: Duration::from_millis(200), ..impatient() };
    let directory = tempfile::tempdir().unwrap();
    let client = Client::new(config, Store::open(directory.path()).unwrap()).unwrap();
    let (digest, start) = (Digest::of(b"x"), std::time::Instant::now());
    let found = client.recall(digest, &[(digest, 1)], None, |_| ()).await;
    assert!(matches!(found, Ok(None)), "{found:?}");
    assert!(start.elapsed() < Duration::from_secs(3));
}

/// What a library says that it remembers of a recipe.
#[derive(Clone)]
struct Remembered {
    /// The list of what refers to the sources, page by page.
    pages: Vec<Vec<Value>>,
    artifact: Vec<u8>,
    blob: Vec<u8>,
}

const RECIPE: &str = "vnd.ollamake.recipe";

impl Remembered {
    /// The truth.
    fn new(recipe: Digest, blob: &[u8]) -> Self {
        let layer = json!({"mediaType": "application/vnd.ollama.image.model", "digest": Digest::of(blob),
            "size": blob.len()});
        Self::of(
            recipe,
            &json!({
                "schemaVersion": 2, "mediaType": OCI_MANIFEST,
                "artifactType": "application/vnd.ollamake.result.v1",
                "config": {
                    "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2,
                },
                "layers": [layer], "annotations": {RECIPE: recipe.to_string()},
            }),
            blob,
        )
    }

    fn of(recipe: Digest, artifact: &Value, blob: &[u8]) -> Self {
        let artifact = artifact.to_string().into_bytes();
        let entry = json!({"mediaType": OCI_MANIFEST, "digest": Digest::of(&artifact), "size": artifact.len(),
            "annotations": {RECIPE: recipe.to_string()}});
        Self { pages: vec![vec![entry]], artifact, blob: blob.to_vec() }
    }

    /// The same with another artifact.
    fn changed(&self, recipe: Digest, change: impl FnOnce(&mut Value)) -> Self {
        let mut artifact = serde_json::from_slice(&self.artifact).unwrap();
        change(&mut artifact);
        Self::of(recipe, &artifact, &self.blob)
    }

    async fn registry(self) -> Stub {
        Stub::start(move |asked: &Asked| match asked.uri.path() {
            path if path.contains("/referrers/") => {
                let page: usize = asked.query("page").map_or(0, |page| page.parse().unwrap());
                let index =
                    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.pages[page]});
                let link = format!("<{path}?page={}>; rel=\"next\"", page + 1);
                let link = [("link", link.as_str())];
                answer(200, if page + 1 < self.pages.len() { &link } else { &[] }, index.to_string())
            }
            path if path.contains("/manifests/sha256:") => answer(200, &[], self.artifact.clone()),
            path if path.contains("/blobs/") => blob_answer(asked, &self.blob),
            _ => answer(404, &[], ""),
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_counts_only_if_everything_about_it_fits() {
    let (recipe, blob) = (Digest::of(b"recipe"), vec![7; 50_000]);
    let truth = Remembered::new(recipe, &blob);
    let other_bytes = Remembered { blob: vec![8; blob.len()], ..truth.clone() };
    let longer = Remembered { blob: vec![7; blob.len() + 1], ..truth.clone() };
    let other_artifact = Remembered { artifact: [&truth.artifact[..], b" "].concat(), ..truth.clone() };
    let two_layers = truth.changed(recipe, |artifact| {
        let layer = artifact["layers"][0].clone();
        artifact["layers"].as_array_mut().unwrap().push(layer);
    });
    let entry = truth.pages[0][0].clone();
    let mut path = entry.clone();
    path["digest"] = "sha256:../../x".into();
    let further = Remembered { pages: vec![Vec::new(), vec![json!(entry)]], ..truth.clone() };
    let (found, nothing) = (Ok(true), Ok(false));
    for (case, told, expected) in [
        ("the truth", truth.clone(), found),
        ("the truth on the second page", further, found),
        ("other bytes", other_bytes, Err("sends other content")),
        ("longer bytes", longer, Err("with another length")),
        ("another artifact", other_artifact, nothing),
        ("two layers", two_layers, nothing),
        (
            "another size",
            truth.changed(recipe, |artifact| artifact["layers"][0]["size"] = 49_999.into()),
            nothing,
        ),
        (
            "another recipe",
            truth.changed(recipe, |artifact| {
                artifact["annotations"][RECIPE] = Digest::of(b"x").to_string().into()
            }),
            nothing,
        ),
        ("another type", truth.changed(recipe, |artifact| artifact["artifactType"] = "x".into()), nothing),
        ("a path for a digest", Remembered { pages: vec![vec![path]], ..truth.clone() }, nothing),
        ("nothing", Remembered { pages: vec![Vec::new()], ..truth.clone() }, nothing),
    ] {
        let registry = told.registry().await;
        let machine = Machine::of(&registry.host());
        let sources = [(Digest::of(b"source"), 6)];
        let got = machine.client.recall(recipe, &sources, Some(blob.len() as u64), |_| ()).await;
        match (got, expected) {
            (Ok(got), Ok(is_found)) => {
                assert_eq!(got.map(|blob| blob.digest()), is_found.then(|| Digest::of(&blob)), "{case}");
            }
            (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{case}: {error}"),
            (got, _) => panic!("{case}: {got:?}"),
        }
        let blobs = std::fs::read_dir(machine.directory.path().join("blobs")).map_or(0, Iterator::count);
        assert_eq!(blobs == 1, expected == found, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_file_that_is_not_the_planned_one_is_made_all_the_same() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let maker = Server::of(&registry.host(), &[]);
    maker.create("m", 1, json!({"quantize": "q8_0"})).await;
    let made: Digest = maker.weights_of("m").await.parse().unwrap();
    let provenance = maker.get("/ollamake/v1/models/m/provenance").await;
    let recipe = &provenance["predicate"]["buildDefinition"]["internalParameters"]["recipes"][0];
    // As long as it should be, and with another name for a tensor.
    let mut bytes = std::fs::read(maker.directory.path().join("blobs").join(made.file_name())).unwrap();
    let place = bytes.windows(10).position(|part| part == b"token_embd").unwrap();
    bytes[place] = b'T';
    let liar = Machine::of(&registry.host());
    let layer = |kind, bytes: &[u8]| {
        let blob = liar.store.put_bytes(bytes).unwrap().blob;
        Layer::new(kind, blob.digest(), blob.length())
    };
    let config = layer(MediaType::Config, &ModelConfig::default().to_bytes());
    let manifest = Manifest::new(config, vec![layer(MediaType::Model, &bytes)]);
    liar.store.put_manifest(&"lie".parse().unwrap(), &manifest.to_bytes()).unwrap();
    liar.publish("lie").await.unwrap();
    let sources = vec![(Digest::of(&weights(1)), weights(1).len() as u64)];
    let recipe = recipe.as_str().unwrap().parse().unwrap();
    let remembered = MadeFile { recipe, sources: sources.clone(), blob: Digest::of(&bytes) };
    liar.client.remember(&remembered, &"lie".parse().unwrap()).await.unwrap();
    assert!(liar.client.recall(recipe, &sources, None, |_| ()).await.unwrap().is_some());

    let server = Server::of(&registry.host(), &[]);
    let statuses = server.create("n", 1, json!({"quantize": "q8_0"})).await;
    assert!(!statuses.iter().any(|status| status.starts_with("using what the library")), "{statuses:?}");
    assert_eq!(server.weights_of("n").await, made.to_string());
    assert!(server.process.log().contains("what the library remembers is another file"));
}
