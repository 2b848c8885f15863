//! A Hub that lies about sizes, hashes, names and commits: nothing is made, and nothing wrong is kept.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::stub::{Asked, answer, blob_answer};
use super::stub_hub::{COMMIT, Repository, StubHub, entry};
use super::{checkpoint, run};
use crate::support::files::names_in_store;

/// What the command says against a Hub whose list is changed.
async fn listed(change: impl Fn(&mut Vec<Value>)) -> String {
    let (_, files) = checkpoint();
    let mut entries: Vec<Value> = files.iter().map(|(path, bytes)| entry(path, bytes)).collect();
    change(&mut entries);
    let list = Value::from(entries).to_string();
    refused(Repository::new(files), move |asked: &Asked| {
        asked.uri.path().contains("/tree/").then(|| answer(200, &[], list.clone()))
    })
    .await
}

/// What the command says against a Hub that lies. Nothing of what was sent is left but what was whole.
async fn refused(
    repository: Repository,
    lie: impl Fn(&Asked) -> Option<axum::response::Response> + Clone + Send + Sync + 'static,
) -> String {
    let names: Vec<String> =
        repository.files.iter().map(|(_, bytes)| ollamake::model::Digest::of(bytes).file_name()).collect();
    let hub = StubHub::lying(repository, lie).await;
    let models = TempDir::new().unwrap();
    let (done, said) =
        run(models.path(), &hub.endpoint(), &["create", "m", "hf.co/owner/some.repo"], &[]).await;
    assert!(!done, "{said}");
    // The store is named where it is said that the command works on it itself.
    let of_the_hub = said.lines().filter(|line| !line.starts_with("no server answers"));
    assert!(!of_the_hub.into_iter().any(|line| line.contains(models.path().to_str().unwrap())), "{said}");
    for left in names_in_store(models.path()) {
        assert!(names.iter().any(|name| left.contains(name)), "{left} is left: {said}");
    }
    said
}

fn of<'e>(entries: &'e mut [Value], path: &str) -> &'e mut Value {
    entries.iter_mut().find(|entry| entry["path"] == path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_that_are_not_so() {
    let said = listed(|entries| {
        let weights = of(entries, "model.safetensors");
        weights["size"] = 1000.into();
        weights["lfs"]["size"] = 1000.into();
    });
    assert!(said.await.contains("another length: expected 1000 bytes"));
    let said = listed(|entries| {
        let weights = of(entries, "model.safetensors");
        weights["size"] = (1_u64 << 60).into();
        weights["lfs"]["size"] = (1_u64 << 60).into();
    });
    assert!(said.await.contains("not enough space"));
    assert!(
        listed(|entries| of(entries, "config.json")["size"] = 7.into()).await.contains("more than 7 bytes")
    );
    let said = listed(|entries| of(entries, "config.json")["size"] = (1_u64 << 40).into()).await;
    assert!(said.contains("is not kept by Git LFS"), "{said}");
    assert!(
        listed(|entries| of(entries, "model.safetensors")["size"] = 7.into()).await.contains("in another")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_that_are_not_so() {
    let other = "cd".repeat(32);
    let said = listed(|entries| of(entries, "config.json")["oid"] = other[..40].into()).await;
    assert!(said.contains("file \"config.json\" of hf.co/owner/some.repo with other content"), "{said}");
    let said = listed(|entries| of(entries, "config.json")["oid"] = "../../x".into()).await;
    assert!(said.contains("none of git's"), "{said}");
    let (_, files) = checkpoint();
    let wrong = files.iter().find(|(name, _)| name == "model.safetensors").unwrap().1.len();
    let said = refused(Repository::new(files), move |asked: &Asked| {
        let is_weights = asked.uri.path().ends_with("/model.safetensors");
        is_weights.then(|| blob_answer(asked, &vec![7; wrong]))
    })
    .await;
    assert!(said.contains("sends other content: expected sha256:"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_elsewhere() {
    for name in
        ["../x.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", ".", "", "a\\x.safetensors"]
    {
        let said = listed(|entries| of(entries, "model.safetensors")["path"] = name.into()).await;
        let is_told = said.contains("no model here") || said.contains("file path");
        assert!(is_told, "{name}: {said}");
    }
    let said = listed(|entries| {
        let twin = of(entries, "config.json").clone();
        entries.push(twin);
    });
    assert!(said.await.contains("listed twice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_are_none() {
    for sha in ["main", "../../../v2", "0123", "0123456789ABCDEF0123456789ABCDEF01234567"] {
        let said = refused(Repository::new(checkpoint().1), move |asked: &Asked| {
            asked.uri.path().contains("/revision/").then(|| answer(200, &[], json!({"sha": sha}).to_string()))
        })
        .await;
        assert!(said.contains("is not a commit"), "{sha}: {said}");
    }
    let hub = StubHub::start(Repository::new(checkpoint().1)).await;
    let models = TempDir::new().unwrap();
    let other = format!("hf.co/owner/some.repo@{}", "f".repeat(40));
    let (done, said) = run(models.path(), &hub.endpoint(), &["create", "m", &other], &[]).await;
    assert!(!done && said.contains("does not exist"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_lead_elsewhere_or_nowhere() {
    for (link, says) in [
        ("<http://127.0.0.1:1/api>; rel=\"next\"".to_owned(), "pages lead elsewhere"),
        ("</api/models/owner/other/tree/x>; rel=\"next\"".to_owned(), "pages lead elsewhere"),
        (format!("</api/models/owner/some.repo/tree/{COMMIT}?a=b>; rel=\"next\""), "more than 1000 pages"),
        ("<file:///etc/passwd>; rel=\"next\"".to_owned(), "leads to"),
    ] {
        let said = refused(Repository::new(checkpoint().1), move |asked: &Asked| {
            asked.uri.path().contains("/tree/").then(|| answer(200, &[("link", &link)], "[]"))
        })
        .await;
        assert!(said.contains(says), "{said}");
    }
}
