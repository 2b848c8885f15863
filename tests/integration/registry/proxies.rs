//! Proxies of either kind, and those that refuse.

use std::sync::Arc;

use ollamake::store::Store;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::model::Model;
use super::stub::{Asked, Stub, answer, blob_answer, registry_of};
use super::{Site, impatient};
use crate::support::process::{Process, last_line};
use ollamake::registry::{Config, Options, Proxies, RegistryError};

/// A configuration with these variables.
fn with(variables: &[(&str, &str)]) -> Config {
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let proxies = Proxies::from_environment(|wanted| {
        variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    });
    Config { proxies, ..impatient() }
}

/// A SOCKS server (RFC 1928) that connects to `target` whatever it is asked for; answers with its address.
async fn socks_server(target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let mut greeting = [0; 2];
                client.read_exact(&mut greeting).await.unwrap();
                client.read_exact(&mut vec![0; greeting[1].into()]).await.unwrap();
                client.write_all(&[5, 0]).await.unwrap();
                let mut request = [0; 5];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request[3], 3, "the name is left to the proxy");
                client.read_exact(&mut vec![0; usize::from(request[4]) + 2]).await.unwrap();
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                let mut server = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_goes_through_a_socks_proxy() {
    let model = Arc::new(Model::new(330, &[100_000]));
    let registry = registry_of(model.clone(), blob_answer).await;
    let proxy = socks_server(registry.host()).await;
    for variable in ["ALL_PROXY", "HTTP_PROXY"] {
        let site = Site::with(with(&[(variable, &format!("socks5h://{proxy}"))]));
        let name = "http://registry.invalid/team/m".parse().unwrap();
        site.client.pull(&name, Options { insecure: true }, |_| {}).await.unwrap();
        model.assert_in(&site.store, "registry.invalid/team/m");
    }
}

/// A proxy that answers every request so; answers with its address.
async fn refusing_proxy(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.read(&mut [0; 4096]).await;
            let _ = client.write_all(text.as_bytes()).await;
        }
    });
    address.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_is_named_with_its_status() {
    for (text, status) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "403 Forbidden"),
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407"),
        ("HTTP/1.0 502 Bad Gateway\r\n\r\n", "502 Bad Gateway"),
    ] {
        let proxy = refusing_proxy(text).await;
        let site = Site::with(with(&[("HTTPS_PROXY", &format!("http://me:secret@{proxy}"))]));
        let error = site.pull("registry.invalid/team/m").await.unwrap_err();
        assert!(matches!(error, RegistryError::Proxy { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains(&proxy) && message.contains(status), "{message}");
        assert!(message.contains("HTTPS_PROXY") && !message.contains("secret"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_there_is_blamed_itself() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for scheme in ["http", "socks5h"] {
        let site = Site::with(with(&[("ALL_PROXY", &format!("{scheme}://{address}"))]));
        let error = site.pull("registry.invalid/team/m").await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Proxy { .. }) && error.to_string().contains(&address),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_proxy_names_is_asked_for_directly() {
    let proxy = Stub::start(|_: &Asked| answer(403, &[], "")).await;
    let address = format!("http://{}", proxy.host());
    for (exception, is_direct) in [
        ("registry.invalid:443", true),
        ("registry.invalid", true),
        (".invalid", true),
        ("registry.invalid:5000", false),
        ("other.invalid", false),
    ] {
        let site = Site::with(with(&[("HTTPS_PROXY", &address), ("NO_PROXY", exception)]));
        let error = site.pull("registry.invalid/team/m").await.unwrap_err();
        assert_eq!(matches!(error, RegistryError::UnknownHost { .. }), is_direct, "{exception}: {error}");
        assert_eq!(matches!(error, RegistryError::Proxy { .. }), !is_direct, "{exception}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_asks_the_proxy_of_its_environment() {
    let model = Arc::new(Model::new(331, &[100_000]));
    let registry = registry_of(model.clone(), blob_answer).await;
    let proxy = socks_server(registry.host()).await;
    let pull = json!({"model": "http://registry.invalid/team/m", "insecure": true});
    for variable in ["ALL_PROXY", "HTTP_PROXY"] {
        let directory = tempfile::tempdir().unwrap();
        let server = Process::start(directory.path(), &[(variable, &format!("socks5h://{proxy}"))]);
        let last = last_line(&server, "pull", pull.clone()).await;
        assert_eq!(last["status"], "success", "{variable}: {last}");
        let store = Store::open(directory.path()).unwrap();
        model.assert_in(&store, "registry.invalid/team/m");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_passes_a_proxy_by_and_names_one_that_refuses() {
    let model = Arc::new(Model::new(332, &[1000]));
    let registry = registry_of(model.clone(), blob_answer).await;
    let proxy = refusing_proxy("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let address = format!("http://{proxy}");
    let directory = tempfile::tempdir().unwrap();

    let exception = ("NO_PROXY", &*registry.host());
    let server = Process::start(directory.path(), &[("HTTP_PROXY", &address), exception]);
    let pull = json!({"model": format!("http://{}/team/m", registry.host()), "insecure": true});
    assert_eq!(last_line(&server, "pull", pull).await["status"], "success");

    let exception = ("NO_PROXY", "registry.invalid:5000");
    let server = Process::start(directory.path(), &[("HTTPS_PROXY", &address), exception]);
    let last = last_line(&server, "pull", json!({"model": "registry.invalid/team/m"})).await;
    let error = last["error"].as_str().unwrap();
    assert!(error.contains(&proxy) && error.contains("403 Forbidden"), "{error}");
    assert!(error.contains("HTTPS_PROXY"), "{error}");
}
