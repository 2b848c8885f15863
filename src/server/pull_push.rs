//! `/api/pull` and `/api/push`: models from and to registries.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::Shared;
use super::errors::Failure;
use super::request::Fields;
use super::stream::{Hearing, answer};
use crate::create::{Monitor, Stage, fetch, publish};
use crate::jobs::{Kind, Once, Order};
use crate::model::Name;
use crate::registry::Options;

/// What both requests say.
struct Transfer {
    model: String,
    options: Options,
    hearing: Hearing,
}

impl Transfer {
    async fn read(
        server: &Shared,
        headers: &HeaderMap,
        body: Body,
        structure: &'static str,
    ) -> Result<Self, Failure> {
        let mut fields = Fields::read(server, headers, body, structure).await?;
        Ok(Self {
            model: fields.model()?.trim().to_owned(),
            options: Options { insecure: fields.boolean("insecure")?.unwrap_or(false) },
            hearing: Hearing::of(&mut fields)?,
        })
    }
}

/// `POST /api/pull`
pub(super) async fn pull(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let request = Transfer::read(&server, &headers, body, "PullRequest").await?;
    let name: Name = request.model.parse()?;
    let (workshop, options) = (server.workshop.clone(), request.options);
    let order = order(Kind::Pull, &name);
    let work = move |monitor: Monitor<'_>| {
        let placed = fetch(&workshop, &name, options, monitor)?;
        workshop.clear_replaced(&placed);
        Ok(())
    };
    let job = server.jobs.start(order, Once { stage: Stage::Transfer, work })?;
    Ok(answer(job, request.hearing).await)
}

/// `POST /api/push`
pub(super) async fn push(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let request = Transfer::read(&server, &headers, body, "PushRequest").await?;
    if request.model.is_empty() {
        return Err(Failure::bad_request("model is required"));
    }
    let name: Name = request.model.parse()?;
    let (workshop, options) = (server.workshop.clone(), request.options);
    let order = order(Kind::Push, &name);
    let work = move |monitor: Monitor<'_>| publish(&workshop, &name, options, monitor);
    let job = server.jobs.start(order, Once { stage: Stage::Transfer, work })?;
    Ok(answer(job, request.hearing).await)
}

fn order(kind: Kind, name: &Name) -> Order {
    Order { kind, model: name.clone(), usage: Arc::default() }
}
