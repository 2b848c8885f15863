//! `/api/pull` and `/api/push`: models from and to registries.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use utoipa::ToSchema;

use super::Shared;
use super::errors::Failure;
use super::operation::Operation;
use super::request::Fields;
use super::stream::{Detached, Hearing, start};
use super::wording::Line;
use crate::create::{Monitor, Stage, fetch, publish};
use crate::jobs::{Kind, Once, Order, Work};
use crate::model::Name;
use crate::registry::Options;

/// What both requests say.
struct Transfer {
    model: String,
    options: Options,
    hearing: Hearing,
}

impl Transfer {
    fn of(fields: &mut Fields) -> Result<Self, Failure> {
        Ok(Self {
            model: fields.model()?.trim().to_owned(),
            options: Options { insecure: fields.boolean("insecure")?.unwrap_or(false) },
            hearing: Hearing::of(fields)?,
        })
    }
}

/// `POST /api/pull`
pub(super) async fn pull(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let fields = Fields::read(&server, &headers, body, "PullRequest").await?;
    let (order, work, hearing) = prepare_pull(&server, fields)?;
    start(&server, order, work, hearing).await
}

/// Checks a request for a pull and makes a job of it.
pub(super) fn prepare_pull(
    server: &Shared,
    mut fields: Fields,
) -> Result<(Order, impl Work, Hearing), Failure> {
    let request = Transfer::of(&mut fields)?;
    let name: Name = request.model.parse()?;
    let (workshop, options) = (server.workshop.clone(), request.options);
    let order = order(Kind::Pull, &name, &fields);
    let work = move |monitor: Monitor<'_>| {
        let placed = fetch(&workshop, &name, options, monitor)?;
        monitor.usage.note_product(&name, placed.model.digest);
        workshop.clear_replaced(&placed);
        Ok(())
    };
    Ok((order, Once { stage: Stage::Transfer, work }, request.hearing))
}

/// `POST /api/push`
pub(super) async fn push(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let fields = Fields::read(&server, &headers, body, "PushRequest").await?;
    let (order, work, hearing) = prepare_push(&server, fields).await?;
    start(&server, order, work, hearing).await
}

/// Checks a request for a push and makes a job of it.
pub(super) async fn prepare_push(
    server: &Shared,
    mut fields: Fields,
) -> Result<(Order, Box<dyn Work>, Hearing), Failure> {
    let request = Transfer::of(&mut fields)?;
    let to_library = fields.boolean("library")?.unwrap_or(false);
    if request.model.is_empty() {
        return Err(Failure::bad_request("model is required"));
    }
    let name: Name = request.model.parse()?;
    let (workshop, options) = (server.workshop.clone(), request.options);
    let order = order(Kind::Push, &name, &fields);
    if to_library {
        let publishing = server.blocking(move || workshop.publishing(&name)).await??;
        return Ok((order, Box::new(publishing), request.hearing));
    }
    let work = move |monitor: Monitor<'_>| publish(&workshop, &name, options, monitor);
    Ok((order, Box::new(Once { stage: Stage::Transfer, work }), request.hearing))
}

fn order(kind: Kind, name: &Name, fields: &Fields) -> Order {
    Order { kind, model: name.clone(), request: fields.request(), usage: Arc::default() }
}

/// Which model is fetched.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct TransferRequest {
    /// Its name, with the registry.
    model: String,
    /// Whether the registry may be spoken to without TLS.
    insecure: Option<bool>,
    /// Whether a line is to be sent for each step (as without it), or one answer at the end.
    stream: Option<bool>,
    /// Whether the job goes on by itself: the answer is 202 and the job's identifier.
    detach: Option<bool>,
}

/// Which model is sent where.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct PushRequest {
    /// Its name, with the registry unless it is sent to the library.
    model: String,
    /// Whether it is sent to the library.
    library: Option<bool>,
    /// Whether the registry may be spoken to without TLS.
    insecure: Option<bool>,
    /// Whether a line is to be sent for each step (as without it), or one answer at the end.
    stream: Option<bool>,
    /// Whether the job goes on by itself: the answer is 202 and the job's identifier.
    detach: Option<bool>,
}

/// What is described of them.
pub(super) fn operations() -> Vec<Operation> {
    let moving = |path, about| {
        Operation::post(path, about)
            .answers_lines::<Line>(200, "A line for each step, or only the last one.")
            .answers::<Line>(200, "The last line.")
            .tells(200, "Ollamake-Job", "The identifier of the job.")
            .answers::<Detached>(202, "The job goes on by itself.")
            .fails(&[404, 507])
    };
    vec![
        moving("/api/pull", "Fetches a model from its registry, or from the library if that has it.")
            .takes::<TransferRequest>(true),
        moving("/api/push", "Sends a model to its registry, or to the library.").takes::<PushRequest>(true),
    ]
}
