//! The store as the library's cache: it is looked after when a job has ended, and now and then.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Server;
use crate::registry::Evicted;
use crate::store::PruneOptions;

/// How often it is looked whether the store takes too much though no job has ended: another program may have
/// filled it.
const INTERVAL: Duration = Duration::from_secs(30);

/// Keeps the store within what it may take, as long as the process lives.
pub(super) async fn keep(server: Arc<Server>) {
    let Some(limit) = server.config.sharing.cache else { return };
    let mut said = String::new();
    loop {
        let looking = Arc::clone(&server);
        let problem = tokio::task::spawn_blocking(move || look(&looking, limit)).await.ok().flatten();
        if let Some(problem) = problem.filter(|problem| *problem != said) {
            tracing::warn!("{problem}");
            said = problem;
        }
        let _ = tokio::time::timeout(INTERVAL, server.job_ended.notified()).await;
    }
}

/// Has what is too much give way; answers why the limit is not kept. It blocks.
fn look(server: &Server, limit: u64) -> Option<String> {
    let Ok(client) = server.workshop.registries() else { return None };
    // What jobs are about is not leased before they begin.
    let spared: HashSet<_> = server.jobs.list().iter().map(|job| job.order().model.clone()).collect();
    let evicting = client.evict(limit, |name| spared.contains(name));
    let Evicted { gone, other, left } = match Handle::current().block_on(evicting) {
        Ok(evicted) => evicted,
        Err(error) => return Some(format!("nothing more is evicted from the store: {error}")),
    };
    if left > limit
        && server.config.prune
        // Uploads that became no model, for example. What goes is counted when it is looked the next time.
        && let Err(error) = server.store().prune(PruneOptions::default())
    {
        tracing::warn!(%error, "the store could not be pruned");
    }
    for (model, bytes) in gone {
        tracing::info!(model = %model.short(), bytes, "evicted a model that the library holds");
    }
    for (model, digest) in &other {
        tracing::debug!(model = %model.short(), %digest, "the library has another model of this name");
    }
    (left > limit).then(|| {
        let others: Vec<_> = other.iter().map(|(model, _)| model.short()).collect();
        let others = match others.is_empty() {
            true => String::new(),
            false => format!(" (it has other models of the names {})", others.join(", ")),
        };
        format!(
            "the store takes {left} bytes, more than OLLAMAKE_CACHE_SIZE={limit}, and nothing more can be \
             evicted: what is left is in use, is the model used last, or is not in the library as it is \
             here{others}; publish what is to be kept, or remove what is not needed"
        )
    })
}
