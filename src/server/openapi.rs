//! `/ollamake/v1/openapi.json`: the whole interface, described as OpenAPI 3.1 for programs.
//!
//! It is put together from the operations that stand beside the handlers. `docs/design/interface.md` says
//! why.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::response::Response;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Paths};
use utoipa::openapi::response::ResponsesBuilder;
use utoipa::openapi::schema::{AnyOf, Components, ComponentsBuilder, Schema};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, InfoBuilder, License, OpenApi, OpenApiBuilder, RefOr, response};

use super::body::encoded;
use super::errors::FailureBody;
use super::operation::{Operation, failure, method_name};
use super::{
    blobs, copy_delete, create_request, extensions, health, inference, openai, page, pull_push, registry_api,
    scrape, show, tags, version,
};
use crate::model::go_json;

/// Where the document is.
pub(super) const PATH: &str = "/ollamake/v1/openapi.json";

/// The name of the key among the security schemes.
const KEY: &str = "key";

/// `GET /ollamake/v1/openapi.json`
pub(super) async fn document() -> Response {
    static DOCUMENT: OnceLock<Vec<u8>> = OnceLock::new();
    encoded(DOCUMENT.get_or_init(|| go_json::to_string(&described(operations())).into_bytes()).clone())
}

/// All operations, those of Ollama first.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = health::operations();
    operations.extend(version::operations());
    operations.extend(tags::operations());
    operations.extend(show::operations());
    operations.extend(copy_delete::operations());
    operations.extend(create_request::operations());
    operations.extend(pull_push::operations());
    operations.extend(blobs::operations());
    operations.extend(openai::operations());
    operations.extend(inference::operations());
    operations.extend(scrape::operations());
    operations.extend(extensions::operations());
    operations.extend(page::operations());
    operations.extend(registry_api::operations());
    let about = "This document.";
    let any = Operation::read(PATH, about).answers::<serde_json::Value>(200, about);
    operations.push(any);
    operations
}

/// The document of these operations.
fn described(operations: Vec<Operation>) -> OpenApi {
    let mut components = ComponentsBuilder::new()
        .security_scheme(KEY, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let mut of_failures = Vec::new();
    FailureBody::schemas(&mut of_failures);
    components = components.schemas_from_iter(of_failures).schema_from::<FailureBody>();
    let mut paths = Paths::new();
    for operation in operations {
        for (name, schema) in &operation.schemas {
            components = components.schema(name.clone(), schema.clone());
        }
        for method in &operation.methods {
            paths.add_path_operation(operation.path, vec![method.clone()], of_method(&operation, method));
        }
    }
    let license = License::builder().name("MIT").identifier(Some("MIT")).build();
    let about = "Makes models for Ollama and llama.cpp: the part of Ollama's interface that makes, keeps and \
                 moves models, and, under /ollamake/v1/, what Ollama has no words for.";
    let info = InfoBuilder::new()
        .title("ollamake")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .license(Some(license));
    let components: Components = components.build();
    OpenApiBuilder::new().info(info.build()).paths(paths).components(Some(components)).build()
}

/// An operation by one of its methods. The answers to HEAD have no body.
fn of_method(operation: &Operation, method: &HttpMethod) -> utoipa::openapi::path::Operation {
    let is_head = matches!(method, HttpMethod::Head);
    let mut responses = ResponsesBuilder::new();
    let failed: BTreeMap<u16, _> =
        operation.failures.iter().map(|status| (*status, failed_with(operation, *status))).collect();
    for (status, answer) in failed.iter().chain(&operation.responses) {
        let mut answer = answer.clone();
        if is_head {
            answer.content.clear();
        }
        responses = responses.response(status.to_string(), answer);
    }
    let keys = match operation.is_open {
        true => Vec::new(),
        // Whether there is a key is up to the operator.
        false => vec![SecurityRequirement::default(), SecurityRequirement::new(KEY, Vec::<String>::new())],
    };
    OperationBuilder::new()
        .summary(Some(operation.about))
        .operation_id(Some(identifier(operation.path, method)))
        .tag(if operation.path.starts_with("/ollamake/") { "ollamake" } else { "Ollama" })
        .parameters(Some(operation.parameters.clone()))
        .request_body(operation.body.clone())
        .responses(responses)
        .securities(Some(keys))
        .build()
}

/// `get_api_tags`; of a path that ends with a slash, its `index`.
fn identifier(path: &str, method: &HttpMethod) -> String {
    let words = path.split(|character: char| !character.is_ascii_alphanumeric());
    let index = path.ends_with('/').then_some("index");
    words
        .filter(|word| !word.is_empty())
        .chain(index)
        .fold(method_name(method).to_lowercase(), |all, word| format!("{all}_{word}"))
}

/// The answer to an operation that has failed so.
fn failed_with(operation: &Operation, status: u16) -> response::Response {
    let about = match status {
        400 => "The request is malformed, or asks for what is not possible; the message names the field.",
        401 => "The server has a key, and the request does not show it.",
        403 => "The server is not known under this name, or a foreign page asks.",
        404 => "There is nothing with this name.",
        408 => "The body does not arrive in time.",
        409 => "Somebody else is working on it, or its state does not allow this.",
        405 => "The route has no such method.",
        410 => "It has expired.",
        412 => "The file is not the one that the condition names, or the protocol has another version.",
        413 => "The body is too long.",
        415 => "The body has another media type than the route takes.",
        416 => "The range does not lie in the file.",
        423 => "Another request is writing to it.",
        431 => "A header is too long.",
        460 => "The body has another checksum than its header states.",
        501 => "This server does not run models.",
        503 => "The server has too much to do, or is about to end.",
        507 => "There is not enough space on the disk.",
        _ => "The disk or another server failed, or there is a defect; the server's log says which.",
    };
    let told: RefOr<Schema> = match &operation.other_failure {
        None => failure(),
        Some(other) => Schema::AnyOf(AnyOf::builder().item(failure()).item(other.clone()).build()).into(),
    };
    let content = Content::new(Some(told));
    response::ResponseBuilder::new().description(about).content("application/json", content).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_type() {
        let mut known = BTreeMap::new();
        for operation in operations() {
            for (name, schema) in operation.schemas {
                let schema = serde_json::to_value(schema).unwrap();
                let earlier = known.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(*earlier, schema, "two types are called {name}: say which is which");
            }
        }
    }

    #[test]
    fn what_is_referred_to_is_there() {
        let document = serde_json::to_value(described(operations())).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let references = text.split("\"#/components/schemas/").skip(1);
        for name in references.map(|rest| rest.split('"').next().unwrap()) {
            assert!(schemas.contains_key(name), "{name} is not described");
        }
    }

    #[test]
    fn identifiers_are_different() {
        let mut seen = std::collections::BTreeSet::new();
        for operation in operations() {
            for method in &operation.methods {
                let identifier = identifier(operation.path, method);
                assert!(seen.insert(identifier.clone()), "{identifier} is described twice");
            }
        }
    }
}
