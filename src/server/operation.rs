//! An operation of the interface as the OpenAPI document describes it. Each stands in the file of its
//! handler, beside the types that it takes and answers.

use std::collections::BTreeMap;

use utoipa::openapi::content::Content;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{HttpMethod, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AnyOf, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required};
use utoipa::{PartialSchema, ToSchema};

/// The media type of JSON.
const JSON: &str = "application/json";
/// The media type of lines of JSON.
const LINES: &str = "application/x-ndjson";
/// The media type of bytes of any kind.
pub(super) const BYTES: &str = "application/octet-stream";

/// What nearly every operation can be answered with: without the key, from a foreign page, by a server whose
/// disk fails, and by one that is to end or has too much to do.
const ALWAYS: [u16; 4] = [401, 403, 500, 503];
/// What an operation with a body of JSON can be answered with beside that.
const WITH_BODY: [u16; 3] = [400, 408, 413];

/// An operation, described.
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) methods: Vec<HttpMethod>,
    pub(super) about: &'static str,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    pub(super) responses: BTreeMap<u16, Response>,
    /// The statuses of failures, which are all told alike.
    pub(super) failures: Vec<u16>,
    /// Another way in which failures may be told.
    pub(super) other_failure: Option<RefOr<Schema>>,
    /// The types that it mentions, by their names.
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
    /// Whether it is open to those without the key.
    pub(super) is_open: bool,
}

impl Operation {
    pub(super) fn new(method: HttpMethod, path: &'static str, about: &'static str) -> Self {
        Self {
            path,
            methods: vec![method],
            about,
            parameters: Vec::new(),
            body: None,
            responses: BTreeMap::new(),
            failures: ALWAYS.to_vec(),
            other_failure: None,
            schemas: Vec::new(),
            is_open: false,
        }
        .with_variables()
    }

    pub(super) fn get(path: &'static str, about: &'static str) -> Self {
        Self::new(HttpMethod::Get, path, about)
    }

    /// A GET that HEAD asks about.
    pub(super) fn read(path: &'static str, about: &'static str) -> Self {
        let get = Self::get(path, about);
        Self { methods: vec![HttpMethod::Get, HttpMethod::Head], ..get }
    }

    pub(super) fn post(path: &'static str, about: &'static str) -> Self {
        Self::new(HttpMethod::Post, path, about)
    }

    pub(super) fn delete(path: &'static str, about: &'static str) -> Self {
        Self::new(HttpMethod::Delete, path, about)
    }

    /// The variable parts of the path are texts.
    fn with_variables(mut self) -> Self {
        let variables = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        self.parameters =
            variables.map(|name| parameter(ParameterIn::Path, name, String::schema(), "")).collect();
        self
    }

    /// Says what a variable part of the path, or a parameter that is there already, is.
    pub(super) fn with(mut self, name: &str, about: &str) -> Self {
        for parameter in self.parameters.iter_mut().filter(|parameter| parameter.name == name) {
            parameter.description = Some(about.to_owned());
        }
        self
    }

    /// It understands a parameter of the query.
    pub(super) fn asks<T: PartialSchema>(mut self, name: &str, about: &str) -> Self {
        self.parameters.push(parameter(ParameterIn::Query, name, T::schema(), about));
        self
    }

    /// It does not go without a parameter of the query.
    pub(super) fn needs<T: PartialSchema>(self, name: &str, about: &str) -> Self {
        let mut asking = self.asks::<T>(name, about);
        if let Some(parameter) = asking.parameters.last_mut() {
            parameter.required = Required::True;
        }
        asking.fails(&[400])
    }

    /// It understands a header.
    pub(super) fn hears(mut self, name: &str, about: &str) -> Self {
        self.parameters.push(parameter(ParameterIn::Header, name, String::schema(), about));
        self
    }

    /// It takes a body of JSON.
    pub(super) fn takes<T: ToSchema>(mut self, required: bool) -> Self {
        let content = Content::new(Some(self.schema::<T>()));
        let required = if required { Required::True } else { Required::False };
        self.body = Some(RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build());
        self.fails(&WITH_BODY)
    }

    /// It takes bytes.
    pub(super) fn takes_bytes(mut self, media_type: &str) -> Self {
        let content = Content::new(Some(bytes()));
        let body = RequestBodyBuilder::new().content(media_type, content).required(Some(Required::True));
        self.body = Some(body.build());
        self.fails(&WITH_BODY)
    }

    /// It answers with JSON.
    pub(super) fn answers<T: ToSchema>(self, status: u16, about: &str) -> Self {
        let mut answering = self;
        let schema = answering.schema::<T>();
        answering.content(status, about, JSON, schema)
    }

    /// It answers with JSON of one of three kinds, to what it answers with otherwise.
    pub(super) fn answers_any_of<T: ToSchema, U: ToSchema, V: ToSchema>(self, status: u16) -> Self {
        let mut answering = self;
        let any = AnyOf::builder().item(answering.schema::<T>()).item(answering.schema::<U>());
        let any = any.item(answering.schema::<V>()).build();
        answering.content(status, "", JSON, Schema::AnyOf(any).into())
    }

    /// It answers with lines of JSON, of which the last may be a failure.
    pub(super) fn answers_lines<T: ToSchema>(self, status: u16, about: &str) -> Self {
        let mut answering = self;
        let line = AnyOf::builder().item(answering.schema::<T>()).item(failure());
        answering.content(status, about, LINES, Schema::AnyOf(line.build()).into())
    }

    /// It answers with a text.
    pub(super) fn answers_text(self, status: u16, about: &str) -> Self {
        self.content(status, about, "text/plain", String::schema())
    }

    /// It answers with bytes.
    pub(super) fn answers_bytes(self, status: u16, about: &str) -> Self {
        self.content(status, about, BYTES, bytes())
    }

    /// It answers with bytes of many types.
    pub(super) fn answers_any(self, status: u16, about: &str) -> Self {
        self.content(status, about, "*/*", bytes())
    }

    /// It answers without a body.
    pub(super) fn answers_nothing(mut self, status: u16, about: &str) -> Self {
        self.responses.insert(status, Response::new(about));
        self
    }

    /// An answer has a header.
    pub(super) fn tells(mut self, status: u16, header: &str, about: &str) -> Self {
        if let Some(response) = self.responses.get_mut(&status) {
            let mut described = Header::new(String::schema());
            described.description = Some(about.to_owned());
            response.headers.insert(header.to_owned(), described);
        }
        self
    }

    /// It can be answered with failures of these statuses too.
    pub(super) fn fails(mut self, statuses: &[u16]) -> Self {
        self.failures.extend(statuses);
        self.failures.sort_unstable();
        self.failures.dedup();
        self
    }

    /// Failures may be told in another way.
    pub(super) fn fails_as<T: ToSchema>(mut self) -> Self {
        self.other_failure = Some(self.schema::<T>());
        self
    }

    /// It is open to those without the key.
    pub(super) fn open(mut self) -> Self {
        self.is_open = true;
        self.failures.retain(|status| *status != 401);
        self
    }

    /// The reference to a type, which the document will describe.
    fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        utoipa::openapi::Ref::from_schema_name(name).into()
    }

    fn content(mut self, status: u16, about: &str, media_type: &str, schema: RefOr<Schema>) -> Self {
        let earlier = self.responses.remove(&status).map(ResponseBuilder::from);
        let response = earlier.unwrap_or_else(|| ResponseBuilder::new().description(about));
        self.responses.insert(status, response.content(media_type, Content::new(Some(schema))).build());
        self
    }
}

/// A failure as it is told.
pub(super) fn failure() -> RefOr<Schema> {
    utoipa::openapi::Ref::from_schema_name("Failure").into()
}

/// A method as requests name it.
pub(super) fn method_name(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Put => "PUT",
        HttpMethod::Post => "POST",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Head => "HEAD",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Trace => "TRACE",
    }
}

fn parameter(place: ParameterIn, name: &str, schema: RefOr<Schema>, about: &str) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let about = (!about.is_empty()).then_some(about);
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
    parameter.schema(Some(schema)).description(about).build()
}

fn bytes() -> RefOr<Schema> {
    let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build()).into()
}
