//! A registry that means harm: every answer is an error in bounded time and memory, and nothing is left.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;

use super::docker_registry::fixture;
use super::model::Model;
use super::stub::{Asked, Stub, answer, blob_answer, endless, registry_of};
use super::tls_stub::TlsStub;
use super::{Site, impatient, through};
use crate::support::noise::noise;
use ollamake::model::Digest;
use ollamake::registry::{Config, Credentials, Options, RegistryError};

/// Pulls from a registry that answers so; the error, once it is sure that it came soon and nothing is left.
async fn pull_from(registry: &Stub, site: &Site) -> RegistryError {
    let begun = Instant::now();
    let error = site.pull(&format!("{}/team/m", registry.host())).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{error} after {:?}", begun.elapsed());
    assert!(site.files().is_empty(), "{:?} after: {error}", site.files());
    let path = site.directory.path().to_str().unwrap();
    assert!(!error.to_string().contains(path), "{error}");
    error
}

fn brief() -> Config {
    Config { patience: Duration::from_millis(400), ..impatient() }
}

async fn manifest_error(manifest: impl Into<String>) -> RegistryError {
    let manifest = manifest.into();
    let registry = Stub::start(move |_: &Asked| answer(200, &[], manifest.clone())).await;
    pull_from(&registry, &Site::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_none() {
    let manifest = |digest: &str| {
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{digest}","size":1}},"layers":[]}}"#
        )
    };
    let hex = "ab".repeat(32);
    for text in [
        manifest(""),
        manifest("sha256:"),
        manifest("sha256:../../../../etc/passwd"),
        manifest("../../../../../../../../../etc/passwd"),
        manifest(&format!("sha256:../{hex}")),
        manifest(&format!("sha256:{}", &hex[1..])),
        manifest(&format!("md5:{hex}")),
        String::new(),
        "<html>".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "[".repeat(100_000),
        format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"sha256:{hex}","size":-1}}}}"#),
        format!(r#"{{"schemaVersion":1,"config":{{"mediaType":"x","digest":"sha256:{hex}","size":1}}}}"#),
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"digest":"sha256:{hex}"}},{{"digest":"sha256:{hex}"}}]}}"#
        ),
        // One digest with two sizes.
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"sha256:{hex}","size":1}},"layers":[{{"mediaType":"x","digest":"sha256:{hex}","size":2}}]}}"#
        ),
    ] {
        let error = manifest_error(text.clone()).await;
        assert!(matches!(error, RegistryError::InvalidManifest { .. }), "{text:.80}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_never_end() {
    let registry = Stub::start(|_: &Asked| answer(200, &[], endless())).await;
    let error = pull_from(&registry, &Site::new()).await;
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");

    // As an error's text, too.
    let registry = Stub::start(|_: &Asked| answer(403, &[], endless())).await;
    let error = pull_from(&registry, &Site::new()).await;
    assert!(matches!(error, RegistryError::Denied { .. }), "{error}");
    assert!(error.to_string().len() < 2000);

    // And from the token server.
    let registry = Stub::start(|asked: &Asked| match asked.uri.path() {
        "/token" => answer(200, &[], endless()),
        _ => challenge(&format!("http://{}/token", asked.header("host"))),
    })
    .await;
    let error = pull_from(&registry, &Site::new()).await;
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_called_packed_and_are_not() {
    // The beginning of a gzip file.
    let bomb = [vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], vec![0; 1000]].concat();
    let registry =
        Stub::start(move |_: &Asked| answer(200, &[("content-encoding", "gzip")], bomb.clone())).await;
    let error = pull_from(&registry, &Site::new()).await;
    assert!(matches!(error, RegistryError::Protocol { .. }) && error.to_string().contains("gzip"), "{error}");
    assert_eq!(registry.asked()[0].header("accept-encoding"), "identity");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_with_another_digest_than_stated() {
    let model = Model::new(60, &[10]);
    let manifest = model.manifest.clone();
    let stated = Digest::of(b"something else").to_string();
    let registry =
        Stub::start(move |_: &Asked| answer(200, &[("docker-content-digest", &stated)], manifest.clone()))
            .await;
    let error = pull_from(&registry, &Site::new()).await;
    assert!(matches!(error, RegistryError::WrongDigest { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_dripping() {
    let registry = Stub::start(|_: &Asked| {
        answer(
            200,
            &[],
            Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>()),
        )
    })
    .await;
    let error = pull_from(&registry, &Site::with(brief())).await;
    assert!(matches!(error, RegistryError::Silent { .. }), "{error}");

    let registry = Stub::start(|_: &Asked| {
        let drops = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(" "), ()))
        });
        answer(200, &[], Body::from_stream(drops))
    })
    .await;
    let error = pull_from(&registry, &Site::with(brief())).await;
    assert!(matches!(error, RegistryError::Silent { .. }), "{error}");
}

fn challenge(realm: &str) -> Response {
    let header = format!(r#"Bearer realm="{realm}",service="s",scope="repository:team/m:pull""#);
    answer(401, &[("www-authenticate", &header)], "{}")
}

/// Hostile input: `stolen-credentials`.
#[tokio::test(flavor = "multi_thread")]
async fn a_realm_elsewhere_gets_no_credentials() {
    let thief = Stub::start(|_: &Asked| answer(200, &[], r#"{"token":"t"}"#)).await;
    // The same machine under another name is another host.
    let port = thief.host().rsplit_once(':').unwrap().1.to_owned();
    let realm = format!("http://localhost:{port}/token");
    let registry = Stub::start(move |_: &Asked| challenge(&realm)).await;
    let home = tempfile::tempdir().unwrap();
    let signing_key = Some(home.path().join("id_ed25519"));

    let mut credentials = Credentials::none();
    credentials.insert(&registry.host(), "alice", "wonder");
    let site = Site::with(Config { credentials, signing_key: signing_key.clone(), ..impatient() });
    let error = pull_from(&registry, &site).await;
    assert!(matches!(error, RegistryError::UntrustedRealm { .. }), "{error}");
    assert!(thief.asked().is_empty(), "{:?}", thief.asked());

    // Who has no password asks anonymously, and signs nothing.
    let site = Site::with(Config { signing_key, ..impatient() });
    let error = pull_from(&registry, &site).await;
    assert!(matches!(error, RegistryError::Denied { .. }), "{error}");
    assert!(
        thief.asked().iter().all(|asked| asked.header("authorization").is_empty()),
        "{:?}",
        thief.asked()
    );
    assert!(!home.path().join("id_ed25519").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_without_end() {
    let registry = Stub::start(|asked: &Asked| match asked.uri.path() {
        "/token" => answer(200, &[], r#"{"token":"never good enough"}"#),
        _ => challenge(&format!("http://{}/token", asked.header("host"))),
    })
    .await;
    let error = pull_from(&registry, &Site::new()).await;
    assert!(matches!(error, RegistryError::Denied { .. } | RegistryError::SigningKey { .. }), "{error}");
    assert!(registry.asked().len() < 20);

    for realm in
        ["", "not a url", "file:///etc/passwd", "http://user:password@localhost/", "ftp://localhost/"]
    {
        let registry = Stub::start(move |_: &Asked| challenge(realm)).await;
        pull_from(&registry, &Site::new()).await;
        assert!(registry.asked().len() < 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_in_a_circle_and_to_nowhere() {
    let registry = Stub::start(|asked: &Asked| answer(302, &[("location", asked.uri.path())], "")).await;
    let error = pull_from(&registry, &Site::new()).await;
    assert!(matches!(error, RegistryError::Protocol { .. }), "{error}");
    assert!(registry.asked().len() <= 11);

    for location in ["ftp://localhost/x", "file:///etc/passwd", "http://user@localhost/", "javascript:x"] {
        let registry = Stub::start(move |_: &Asked| answer(302, &[("location", location)], "")).await;
        let error = pull_from(&registry, &Site::new()).await;
        assert!(matches!(error, RegistryError::ForbiddenTarget { .. }), "{location}: {error}");
    }
    let registry = Stub::start(|_: &Asked| answer(302, &[], "")).await;
    assert!(matches!(pull_from(&registry, &Site::new()).await, RegistryError::Protocol { .. }));
}

/// The name that this machine has in its own network, if it is one.
async fn name_of_this_machine() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_owned();
    let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await.ok()?.collect();
    let is_inside = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(address) => address.is_private() || address.is_loopback(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
    };
    found.iter().any(is_inside).then_some(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_proxy_to_a_name_of_our_own_network() {
    let Some(inside) = name_of_this_machine().await else {
        println!("skipped: this machine has no name of its own");
        return;
    };
    let location = format!("http://{inside}/latest/meta-data");
    let proxy = Stub::start(move |_: &Asked| answer(307, &[("location", &location)], "")).await;
    let site = Site::with(through(&proxy));
    let name = "http://registry.invalid/team/m".parse().unwrap();
    let error = site.client.pull(&name, Options { insecure: true }, |_| {}).await.unwrap_err();
    assert!(matches!(error, RegistryError::ForbiddenTarget { .. }), "{error}");
    assert_eq!(proxy.asked().len(), 1);
}

/// Hostile input: `registry-downgrade`.
#[tokio::test(flavor = "multi_thread")]
async fn from_a_secure_connection_to_a_plain_one() {
    let plain = Stub::start(|_: &Asked| answer(200, &[], "")).await;
    let location = format!("location: http://{}/elsewhere\r\n", plain.host());
    let registry =
        TlsStub::start(&format!("HTTP/1.1 307 Temporary Redirect\r\n{location}content-length: 0\r\n\r\n"));
    let certificates = vec![std::fs::read(fixture("ca.pem")).unwrap()];
    let site = Site::with(Config { certificates, ..impatient() });
    let error = site.pull(&format!("https://{}/team/m", registry.host())).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::ForbiddenTarget { .. }) && error.to_string().contains("secure"),
        "{error}"
    );
    assert!(plain.asked().is_empty());

    // Whom we cannot verify we do not even ask.
    let error = Site::new().pull(&format!("https://{}/team/m", registry.host())).await.unwrap_err();
    assert!(matches!(error, RegistryError::Certificate { .. }), "{error}");
}

/// How a registry answers a request for a blob.
type BlobAnswer = fn(&Asked, &[u8]) -> Response;

#[tokio::test(flavor = "multi_thread")]
async fn blobs_that_are_shorter_longer_or_other() {
    let model = Arc::new(Model::new(61, &[300_000]));
    let pieces = || Config { download_piece: 100_000, ..brief() };
    let is_large = |blob: &[u8]| blob.len() > 1000;

    let honest_or = |wrong: BlobAnswer| {
        move |asked: &Asked, blob: &[u8]| {
            if is_large(blob) { wrong(asked, blob) } else { blob_answer(asked, blob) }
        }
    };
    let cases: [(&str, BlobAnswer); 9] = [
        ("shorter", |_, blob| answer(200, &[], blob[..1000].to_vec())),
        ("shorter, without length", |_, blob| {
            let body = Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(
                blob[..1000].to_vec(),
            )]));
            answer(200, &[], body)
        }),
        ("longer", |_, blob| answer(200, &[], [blob, b"more"].concat())),
        ("endless", |_, _| answer(200, &[], endless())),
        ("endless range", |asked, blob| {
            let range = asked.range(blob.len()).unwrap();
            let header = format!("bytes {}-{}/{}", range.start, range.end - 1, blob.len());
            answer(206, &[("content-range", &header)], endless())
        }),
        ("other total", |asked, blob| {
            let range = asked.range(blob.len()).unwrap();
            let header = format!("bytes {}-{}/{}", range.start, range.end - 1, blob.len() + 1);
            answer(206, &[("content-range", &header)], blob[range].to_vec())
        }),
        ("other range", |asked, blob| {
            let range = asked.range(blob.len()).unwrap();
            let header = format!("bytes {}-{}/{}", range.start + 1, range.end - 1, blob.len());
            answer(206, &[("content-range", &header)], blob[range].to_vec())
        }),
        ("unsatisfiable", |_, _| answer(416, &[], "")),
        ("other bytes", |asked, blob| blob_answer(asked, &noise(99, blob.len()))),
    ];
    for (case, wrong) in cases {
        let registry = registry_of(model.clone(), honest_or(wrong)).await;
        let site = Site::with(pieces());
        let error = site.pull(&format!("{}/team/m", registry.host())).await.unwrap_err();
        let expected = match case {
            "other bytes" => matches!(error, RegistryError::WrongDigest { .. }),
            "other range" => matches!(error, RegistryError::Protocol { .. }),
            "shorter, without length" => matches!(error, RegistryError::Interrupted { .. }),
            _ => matches!(error, RegistryError::WrongSize { .. }),
        };
        assert!(expected, "{case}: {error}");
        assert!(site.store.list().unwrap().is_empty());
        assert!(!site.store.contains(Digest::of(&model.blobs[0])).unwrap(), "{case}");
        let large = format!("partial/{}", Digest::of(&model.blobs[0]).file_name());
        let left: Vec<_> = site.files().into_iter().filter(|file| file.contains(&large)).collect();
        // What an honest registry would have sent as well stays for the next attempt.
        assert_eq!(left.is_empty(), case != "shorter, without length", "{case}: {left:?}");
    }
}

/// Hostile input: `registry-shared-digest`.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_shares_its_digest_with_a_layer_is_verified() {
    let wrong = noise(70, 5000);
    let digest = Digest::of(&noise(71, 5000));
    let kind = "application/vnd.ollama.image.model";
    let layer = format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":5000}}"#);
    let manifest = format!(r#"{{"schemaVersion":2,"config":{layer},"layers":[{layer},{layer}]}}"#);
    let registry = Stub::start(move |asked: &Asked| match asked.uri.path().contains("/manifests/") {
        true => answer(200, &[], manifest.clone()),
        false => answer(200, &[], wrong.clone()),
    })
    .await;
    let error = pull_from(&registry, &Site::new()).await;
    assert!(matches!(error, RegistryError::WrongDigest { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn error_texts_cannot_steer_a_terminal() {
    let registry = Stub::start(|_: &Asked| {
        let text = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\\u001b[2J\\r\\nfake\"}]}";
        answer(403, &[], text)
    })
    .await;
    let error = pull_from(&registry, &Site::new()).await;
    assert!(!error.to_string().contains(['\x1b', '\r', '\n']), "{error:?}");
}
