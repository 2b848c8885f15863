//! The interface behind a socket.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::{LocalAddress, Server, router};

/// Bytes that a connection receives ahead. Larger ones save little, and a hundred uploads have one each.
const READ_BUFFER: usize = 128 << 10;
/// How long connections may take to end once the server is to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves until `stop` completes; then no connection is accepted any more, those that are idle end at once,
/// and the others have ten seconds. Jobs whose connections end are cancelled.
///
/// # Errors
/// What the operating system says when nothing can be accepted for good.
pub async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = router(&server);
    let (ending, is_ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let head_timeout = server.config.limits.head;
                connections.spawn(connection(stream, service.clone(), head_timeout, is_ending.clone()));
            }
            // Out of file descriptors, or the client has gone already: others may have more luck.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    // Nobody may be left to hear it.
    let _ = ending.send(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all_ended).await.is_err() {
        tracing::warn!("connections were cut off");
    }
    // What models were replaced have left behind goes before the process does.
    let settled = tokio::task::spawn_blocking(move || server.store().settle());
    if tokio::time::timeout(FAREWELL, settled).await.is_err() {
        tracing::warn!("blobs of replaced models stay until the store is pruned");
    }
    Ok(())
}

/// Completes when the process is asked to end.
pub async fn shutdown_signal() {
    let interrupt = async {
        // Without a handler the signal ends the process, as it should then.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

async fn connection(
    stream: TcpStream,
    service: axum::Router,
    head_timeout: Duration,
    mut is_ending: watch::Receiver<bool>,
) {
    let local = stream.local_addr().ok().map(LocalAddress);
    // A line of progress should not wait for the next one.
    let _ = stream.set_nodelay(true);
    let service = service.map_request(move |mut request: hyper::Request<_>| {
        if let Some(local) = local {
            request.extensions_mut().insert(local);
        }
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(READ_BUFFER)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = is_ending.changed() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
