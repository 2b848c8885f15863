//! Passwords and tokens, with a real registry.

use super::docker_registry::{DockerRegistry, Setup, fixture};
use super::model::Model;
use super::stub::{Asked, Stub, answer};
use super::token_server::{IDENTITY_TOKEN, TokenServer};
use super::{Site, impatient, through};
use ollamake::registry::{Config, Credentials, Options, RegistryError};

fn site_with_login(registry: &str, user: &str, password: &str) -> Site {
    let mut credentials = Credentials::none();
    credentials.insert(registry, user, password);
    Site::with(Config { credentials, ..impatient() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_the_registry_it_belongs_to() {
    let section = format!("  htpasswd: {{realm: tests, path: {}}}", fixture("htpasswd").display());
    let setup = Setup { authentication: Some(section), ..Setup::default() };
    let Some(registry) = DockerRegistry::start(&setup) else { return };
    let name = format!("{}/team/guarded", registry.host());
    let model = Model::new(10, &[200_000]);

    let site = site_with_login(&registry.host(), "alice", "wonder");
    model.put(&site.store, &name);
    site.push(&name).await.unwrap();
    let other = site_with_login(&registry.host(), "alice", "wonder");
    other.pull(&name).await.unwrap();
    model.assert_in(&other.store, &name);

    for stranger in [
        Site::new(),
        site_with_login(&registry.host(), "alice", "wrong"),
        site_with_login("127.0.0.1:1", "alice", "wonder"),
    ] {
        let error = stranger.pull(&name).await.unwrap_err();
        assert!(matches!(error, RegistryError::Denied { .. }), "{error}");
        assert!(error.to_string().contains("authentication required"), "{error}");
        assert!(!error.to_string().contains("wonder"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_goes_over_plain_http_only_by_the_operators_will() {
    let login = "Basic YWxpY2U6d29uZGVy";
    let proxy = Stub::start(move |asked: &Asked| match asked.header("authorization") {
        sent if sent == login => answer(404, &[], ""),
        _ => answer(401, &[("www-authenticate", "Basic realm=\"stub\"")], ""),
    })
    .await;
    let name = "http://registry.invalid:5000/team/m".parse().unwrap();
    let pull = async |registry: &str| {
        let mut credentials = Credentials::none();
        credentials.insert(registry, "alice", "wonder");
        let site = Site::with(Config { credentials, ..through(&proxy) });
        site.client.pull(&name, Options { insecure: true }, |_| {}).await.unwrap_err()
    };
    let error = pull("registry.invalid:5000").await;
    assert!(matches!(error, RegistryError::PlainPassword { .. }), "{error}");
    assert!(error.to_string().contains("OLLAMAKE_REGISTRY=http://registry.invalid:5000"), "{error}");
    assert!(proxy.asked().iter().all(|asked| asked.header("authorization").is_empty()));
    let error = pull("http://registry.invalid:5000").await;
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_docker_keeps_in_a_program_that_is_missing_is_told() {
    let challenge = |_: &Asked| answer(401, &[("www-authenticate", "Basic realm=\"stub\"")], "");
    let registry = Stub::start(challenge).await;
    let mut credentials = Credentials::none();
    let json = format!(r#"{{"credHelpers": {{"{}": "no-such-helper"}}}}"#, registry.host());
    credentials.add_docker_config(json.as_bytes()).unwrap();
    let site = Site::with(Config { credentials, ..impatient() });
    let error = site.pull(&format!("{}/team/m", registry.host())).await.unwrap_err();
    assert!(matches!(error, RegistryError::CredentialHelper { .. }), "{error}");
    assert!(error.to_string().contains("docker-credential-no-such-helper is not installed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_asked_for_as_the_specification_says() {
    let tokens = TokenServer::start("alice", "wonder").await;
    let setup = Setup { authentication: Some(tokens.registry_section()), ..Setup::default() };
    let Some(registry) = DockerRegistry::start(&setup) else { return };
    let name = format!("{}/team/by-token", registry.host());
    let second = format!("{}/team/by-token-too", registry.host());
    let model = Model::new(11, &[5_000_000, 10]);

    let site = site_with_login(&registry.host(), "alice", "wonder");
    model.put(&site.store, &name);
    site.push(&name).await.unwrap();
    // Its blobs are in the other repository already, for which a token needs one more scope.
    model.put(&site.store, &second);
    site.push(&second).await.unwrap();
    let other = site_with_login(&registry.host(), "alice", "wonder");
    other.pull(&second).await.unwrap();
    model.assert_in(&other.store, &second);

    let asked = tokens.asked();
    assert!(asked.iter().all(|asked| asked.query("service").as_deref() == Some("tests")));
    assert!(
        asked.iter().any(|asked| asked.query("scope").is_some_and(|scope| scope.contains("team/by-token:")))
    );
    assert!(asked.len() <= 6, "{} tokens for three operations", asked.len());

    for stranger in [Site::new(), site_with_login(&registry.host(), "alice", "wrong")] {
        let error = stranger.pull(&name).await.unwrap_err();
        assert!(matches!(error, RegistryError::Denied { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_token_is_shown_to_the_token_server_alone() {
    let tokens = TokenServer::start("alice", "wonder").await;
    let setup = Setup { authentication: Some(tokens.registry_section()), ..Setup::default() };
    let Some(registry) = DockerRegistry::start(&setup) else { return };
    let with_token = |token: &str| {
        let mut credentials = Credentials::none();
        let json = format!(
            r#"{{"auths": {{"{}": {{"auth": "MDAwMDAwMDA6", "identitytoken": "{token}"}}}}}}"#,
            registry.host()
        );
        credentials.add_docker_config(json.as_bytes()).unwrap();
        Site::with(Config { credentials, ..impatient() })
    };
    let name = format!("{}/team/by-identity", registry.host());
    let model = Model::new(12, &[2_000_000]);
    let site = with_token(IDENTITY_TOKEN);
    model.put(&site.store, &name);
    site.push(&name).await.unwrap();
    let other = with_token(IDENTITY_TOKEN);
    other.pull(&name).await.unwrap();
    model.assert_in(&other.store, &name);
    let asked = tokens.asked();
    assert!(asked.iter().all(|asked| asked.method == "POST" && asked.uri.query().is_none()), "{asked:?}");

    let error = with_token("another").pull(&name).await.unwrap_err();
    assert!(matches!(error, RegistryError::Denied { .. }), "{error}");
    assert!(!error.to_string().contains("another"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_of_dockers_is_named_where_its_logins_are_missed() {
    let registry =
        Stub::start(|_: &Asked| answer(401, &[("www-authenticate", "Basic realm=\"r\"")], "{}")).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.json"), "{\"auths\": {").unwrap();
    let path = directory.path().display().to_string();
    let environment = |name: &str| (name == "DOCKER_CONFIG").then(|| path.clone());
    let site = Site::with(Config::from_environment(environment));
    let error = site.pull(&format!("{}/team/m", registry.host())).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("docker's config.json cannot be read: EOF"), "{text}");
    assert!(!text.contains(&path), "{text}");
}
