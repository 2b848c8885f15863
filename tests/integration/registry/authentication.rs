//! Passwords and tokens, with a real registry.

use super::docker_registry::{DockerRegistry, Setup, fixture};
use super::model::Model;
use super::token_server::TokenServer;
use super::{Site, impatient};
use ollamake::registry::{Config, Credentials, Error};

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
        assert!(matches!(error, Error::Denied { .. }), "{error}");
        assert!(error.to_string().contains("authentication required"), "{error}");
        assert!(!error.to_string().contains("wonder"), "{error}");
    }
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
        assert!(matches!(error, Error::Denied { .. }), "{error}");
    }
}
