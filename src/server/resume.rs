//! Jobs that go on: their request is taken again as it was recorded, and what is done already is not done
//! again.

use std::sync::Arc;

use axum::http::StatusCode;

use super::errors::Failure;
use super::request::Fields;
use super::{Server, Shared, create, pull_push};
use crate::create::Publishing;
use crate::jobs::{Claimed, JobId, Kind, Order, Work};

/// Has an interrupted job go on.
pub(super) async fn resume(server: &Shared, id: JobId) -> Result<(), Failure> {
    let claimed = server.blocking_with(move |server| server.jobs.claim(id)).await??;
    // If it cannot go on now, it may later.
    let (order, work) = prepare(server, &claimed).await?;
    server.jobs.go_on(claimed, order, work).await?;
    Ok(())
}

/// Has the detached jobs go on that were interrupted. One whose request cannot be met any more has failed.
pub(super) async fn go_on(server: Arc<Server>) {
    for id in server.jobs.to_go_on() {
        if let Err(failure) = go_on_or_fail(&server, id).await {
            let (_, error) = failure.parts();
            tracing::warn!(job = %id, error, "an interrupted job does not go on");
        }
    }
}

async fn go_on_or_fail(server: &Shared, id: JobId) -> Result<(), Failure> {
    let claimed = server.blocking_with(move |server| server.jobs.claim(id)).await??;
    match prepare(server, &claimed).await {
        Ok((order, work)) => {
            server.jobs.go_on(claimed, order, work).await?;
            tracing::info!(job = %id, "an interrupted job goes on");
        }
        Err(failure) => {
            let error = failure.parts().1.to_owned();
            tracing::warn!(job = %id, error, "an interrupted job cannot go on");
            let line = String::from_utf8_lossy(&failure.line()).trim_end().to_owned();
            server.blocking_with(move |server| server.jobs.fail(claimed, error, line)).await?;
        }
    }
    Ok(())
}

/// Makes a job of a request that was made before, or of what is left of it.
async fn prepare(server: &Shared, claimed: &Claimed) -> Result<(Order, Box<dyn Work>), Failure> {
    let (kind, request) = (claimed.kind(), claimed.request());
    if let Some(first) = claimed.owed().first() {
        let (model, request) = (first.model.parse()?, request.to_owned());
        let order = Order { kind, model, request, usage: Arc::default() };
        return Ok((order, Box::new(Publishing::of(server.workshop.clone(), claimed.owed().to_vec()))));
    }
    let fields = |structure| Fields::again(request, structure);
    Ok(match kind {
        Kind::Create => {
            let (order, job, _) = create::prepare(server, fields("CreateRequest")?).await?;
            (order, Box::new(job))
        }
        Kind::Pull => {
            let (order, work, _) = pull_push::prepare_pull(server, fields("PullRequest")?)?;
            (order, Box::new(work))
        }
        Kind::Push => {
            let (order, work, _) = pull_push::prepare_push(server, fields("PushRequest")?).await?;
            (order, work)
        }
        Kind::Plan | Kind::Compare => {
            let message = "what only asks does not go on: its answer was for who asked";
            return Err(Failure::new(StatusCode::CONFLICT, message).with_hint("ask for it again"));
        }
    })
}
