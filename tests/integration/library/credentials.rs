//! A credential helper of Docker's, for the library and for all registries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::servers::{Server, weights};
use crate::registry::docker_registry::{DockerRegistry, Setup, fixture};
use crate::registry::token_server::{IDENTITY_TOKEN, TokenServer};

/// Puts a helper into a directory: a script that answers with a user and a secret for one registry, and notes
/// what it was asked.
fn helper(directory: &Path, name: &str, registry: &str, user: &str, secret: &str) {
    let asked = directory.join("asked");
    let script = format!(
        "#!/bin/sh\nread -r server\necho \"$1 $server\" >> '{}'\n\
         if [ \"$server\" = '{registry}' ]; then\n\
         printf '{{\"ServerURL\": \"%s\", \"Username\": \"{user}\", \"Secret\": \"{secret}\"}}' \"$server\"\n\
         else\necho 'credentials not found in native keychain'\nexit 1\nfi\n",
        asked.display()
    );
    let path = directory.join(format!("docker-credential-{name}"));
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A server whose programs and whose configuration of Docker are in a directory.
fn server(registry: &DockerRegistry, directory: &Path, config: &serde_json::Value) -> Server {
    fs::write(directory.join("config.json"), config.to_string()).unwrap();
    let path = format!("{}:/usr/bin:/bin", directory.display());
    let docker = directory.display().to_string();
    let settings =
        [("PATH", path.as_str()), ("DOCKER_CONFIG", &docker), ("OLLAMAKE_LIBRARY_WAIT_SECONDS", "0")];
    Server::of(&registry.host(), &settings)
}

async fn publishes(server: &Server) -> Result<(), String> {
    let digest = server.upload(&weights(1)).await;
    let request = json!({"model": "m", "files": {"model.gguf": digest}, "publish": true});
    let last = server.job("/api/create", request).await.pop().unwrap();
    match last["error"].as_str() {
        None => Ok(()),
        Some(error) => Err(error.to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_is_asked_for_the_password() {
    let section = format!("  htpasswd: {{realm: tests, path: {}}}", fixture("htpasswd").display());
    let setup = Setup { authentication: Some(section), ..Setup::default() };
    let Some(registry) = DockerRegistry::start(&setup) else { return };
    for (config, secret) in [
        (json!({"credHelpers": {registry.host(): "tests"}}), "wonder"),
        (json!({"credsStore": "tests", "auths": {registry.host(): {}}}), "wonder"),
        (json!({"credHelpers": {registry.host(): "tests"}, "credsStore": "missing"}), "wonder"),
        (json!({"credHelpers": {registry.host(): "tests"}}), "wrong"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        helper(directory.path(), "tests", &registry.host(), "alice", secret);
        let published = publishes(&server(&registry, directory.path(), &config)).await;
        assert_eq!(published.is_ok(), secret == "wonder", "{config} {published:?}");
        assert!(!published.err().unwrap_or_default().contains("wrong"));
        let asked = fs::read_to_string(directory.path().join("asked")).unwrap();
        assert!(asked.lines().all(|line| line == format!("get {}", registry.host())), "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_helper_does_instead_of_answering_is_told() {
    let section = format!("  htpasswd: {{realm: tests, path: {}}}", fixture("htpasswd").display());
    let setup = Setup { authentication: Some(section), ..Setup::default() };
    let Some(registry) = DockerRegistry::start(&setup) else { return };
    let config = json!({"credHelpers": {registry.host(): "tests"}});
    for (script, told) in [
        (None, "docker-credential-tests is not installed"),
        (Some("#!/bin/sh\necho 'the keychain is locked'\nexit 1\n"), "fails: the keychain is locked"),
        (Some("#!/bin/sh\necho secret\n"), "answers something that is not a login"),
        // Without a login it is as if there were none.
        (Some("#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n"), "denies access"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        if let Some(script) = script {
            let path = directory.path().join("docker-credential-tests");
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let error = publishes(&server(&registry, directory.path(), &config)).await.unwrap_err();
        assert!(error.contains(told), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_may_keep_an_identity_token() {
    let tokens = TokenServer::start("alice", "wonder").await;
    let setup = Setup { authentication: Some(tokens.registry_section()), ..Setup::default() };
    let Some(registry) = DockerRegistry::start(&setup) else { return };
    let directory = tempfile::tempdir().unwrap();
    helper(directory.path(), "tests", &registry.host(), "<token>", IDENTITY_TOKEN);
    let config = json!({"credsStore": "tests"});
    publishes(&server(&registry, directory.path(), &config)).await.unwrap();
    assert!(tokens.asked().iter().all(|asked| asked.method == "POST"));
}
