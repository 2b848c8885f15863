//! The interface behind a socket.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::{LocalAddress, Server, router};
use crate::config::{CHUNK, Limits};

/// How long those whose jobs were cancelled have to hear of it.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long cancelled jobs have to clean up.
const CLEANUP: Duration = Duration::from_secs(2);

/// Serves until `stop` completes. Then no connection is accepted any more, idle ones end at once, and jobs
/// that wait for their turn fail. What is under way has the time of [`Limits::shutdown`], unless the process
/// is asked to end once more; then jobs are cancelled, and connections cut off.
///
/// # Errors
/// What the operating system says when nothing can be accepted for good.
pub async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let service = router(&server);
    let limits = server.config.limits.clone();
    let (ending, is_ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    let room = Arc::new(Semaphore::new(server.config.limits.connections.min(Semaphore::MAX_PERMITS)));
    tokio::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, service.clone(), limits.clone(), is_ending.clone());
                connections.spawn(async move {
                    let _place = place;
                    connection.await;
                });
            }
            // Out of file descriptors, or the client has gone already: others may have more luck.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    shut_down(server, connections, ending).await;
    Ok(())
}

/// Ends what is under way.
async fn shut_down(server: Arc<Server>, mut connections: JoinSet<()>, ending: watch::Sender<bool>) {
    tracing::info!(connections = connections.len(), "stopping");
    server.jobs.close();
    // Nobody may be left to hear it.
    let _ = ending.send(true);
    let mut all_ended = Box::pin(async { while connections.join_next().await.is_some() {} });
    let has_ended = tokio::select! {
        () = &mut all_ended => true,
        () = tokio::time::sleep(server.config.limits.shutdown) => false,
        () = server.hurry.cancelled() => false,
    };
    if !has_ended {
        tracing::warn!("jobs are cancelled and connections cut off");
        server.jobs.stop();
    }
    if tokio::time::timeout(CLEANUP, server.jobs.ended()).await.is_err() {
        tracing::warn!("a job did not end; what it leaves is removed at the next start");
    }
    if !has_ended {
        let _ = tokio::time::timeout(FAREWELL, &mut all_ended).await;
    }
    drop(all_ended);
    connections.abort_all();
    // What models were replaced have left behind goes before the process does.
    let settled = tokio::task::spawn_blocking(move || server.store().settle());
    if tokio::time::timeout(FAREWELL, settled).await.is_err() {
        tracing::warn!("blobs of replaced models stay until the store is pruned");
    }
}

async fn connection(
    stream: TcpStream,
    service: axum::Router,
    limits: Limits,
    mut is_ending: watch::Receiver<bool>,
) {
    let local = stream.local_addr().ok().map(LocalAddress);
    // A line of progress should not wait for the next one.
    let _ = stream.set_nodelay(true);
    if let Err(error) = notice_absence(&stream, limits.stall) {
        tracing::debug!(%error, "a client whose machine is gone will not be noticed");
    }
    let service = service.map_request(move |mut request: hyper::Request<_>| {
        if let Some(local) = local {
            request.extensions_mut().insert(local);
        }
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(CHUNK)
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

/// Has the operating system end a connection whose client does not take what is sent to it, or does not exist
/// any more without having said so.
fn notice_absence(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, patience)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(stream, u32::try_from(patience.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}
