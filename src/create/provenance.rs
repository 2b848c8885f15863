//! How a model was made, as a record that others understand: an in-toto statement with SLSA's predicate.
//!
//! Forms: <https://in-toto.io/Statement/v1> and <https://slsa.dev/provenance/v1>. The request stands in it as
//! `POST /api/create` takes it, so that the model can be made again ([`remake`](super::remake)). A request
//! holds no secrets but what an address may hold, so the address stands in it as the model has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::output::{Material, Output};
use super::{CreateError, Files, Info, Outputs, Quantization, Request, Wanted};
use crate::model::{Digest, Message, Parameters};
use crate::plan::REVISION;
use crate::quantize::Recipe;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/provenance/v1";
const BUILDER: &str = env!("CARGO_PKG_REPOSITORY");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a record says.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    #[serde(rename = "_type")]
    kind: String,
    /// The manifest that was made.
    subject: Vec<Resource>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: Predicate,
}

/// Something by its digest.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ProvenanceResource)]
struct Resource {
    name: String,
    /// Where it has come from, if that is known, be it from the client: of the Hub the repository, the commit
    /// and the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    digest: Sha256,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ProvenanceSha256)]
struct Sha256 {
    sha256: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ProvenancePredicate)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    build_definition: Definition,
    run_details: Run,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ProvenanceDefinition)]
#[serde(rename_all = "camelCase")]
struct Definition {
    build_type: String,
    /// The request, as a create takes it.
    #[schema(value_type = Object)]
    external_parameters: Asked,
    internal_parameters: Rules,
    resolved_dependencies: Vec<Resource>,
}

/// What decides about the bytes beside the request and the sources.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ProvenanceRules)]
struct Rules {
    /// Of what makes bytes of a plan.
    revision: u32,
    /// The digest of the recipe of each file that was made, which stands for the plan and its sources.
    #[schema(value_type = Vec<String>)]
    recipes: Vec<Digest>,
    /// The model that it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Resource>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ProvenanceRun)]
struct Run {
    builder: Builder,
    metadata: RunMetadata,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ProvenanceBuilder)]
struct Builder {
    id: String,
    version: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ProvenanceRunMetadata)]
#[serde(rename_all = "camelCase")]
struct RunMetadata {
    finished_on: String,
}

/// A request for one model, in the words of `POST /api/create`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Asked {
    model: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    adapters: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_adapters: Option<BTreeMap<String, f64>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    quantize: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    recipe: Map<String, Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    template: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    system: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    license: Vec<String>,
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    parameters: Parameters,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
    #[serde(skip_serializing_if = "String::is_empty")]
    renderer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parser: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    requires: String,
    #[serde(skip_serializing_if = "is_nothing")]
    info: Info,
    #[serde(skip_serializing_if = "String::is_empty")]
    remote_host: String,
}

fn is_nothing(info: &Info) -> bool {
    *info == Info::default()
}

/// Keeps how a model was made. Its manifest has this digest.
pub(super) fn keep(output: &Output, manifest: Digest) {
    match Provenance::of(output, manifest).map(|record| serde_json::to_vec(&record)) {
        Ok(Ok(record)) => output.workshop.store.remember_provenance(manifest, &record),
        Ok(Err(error)) => tracing::warn!(%error, "how a model was made cannot be written down"),
        Err(error) => tracing::warn!(%error, "how a model was made cannot be written down"),
    }
}

impl Provenance {
    fn of(output: &Output, manifest: Digest) -> Result<Self, CreateError> {
        let base = match &output.material {
            Material::Base(base) => Some(Resource::new(base.name.short(), base.digest)),
            _ => None,
        };
        let recipes = output.planned().map(|file| file.recipe()).collect::<Result<_, _>>()?;
        let finished_on = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        Ok(Self {
            kind: STATEMENT.to_owned(),
            subject: vec![Resource::new(output.wanted.model.short(), manifest)],
            predicate_type: PREDICATE.to_owned(),
            predicate: Predicate {
                build_definition: Definition {
                    build_type: format!("{BUILDER}/create/v1"),
                    external_parameters: Asked::of(output),
                    internal_parameters: Rules { revision: REVISION, recipes, base },
                    resolved_dependencies: dependencies(output),
                },
                run_details: Run {
                    builder: Builder {
                        id: BUILDER.to_owned(),
                        version: BTreeMap::from([("ollamake".to_owned(), VERSION.to_owned())]),
                    },
                    metadata: RunMetadata { finished_on },
                },
            },
        })
    }

    /// Reads a record, if it is one of the model with this manifest.
    pub fn parse(record: &[u8], manifest: Digest) -> Option<Self> {
        let record: Self = serde_json::from_slice(record).ok()?;
        let is_of_it = record.subject.iter().any(|subject| subject.digest() == Some(manifest));
        (record.kind == STATEMENT && record.predicate_type == PREDICATE && is_of_it).then_some(record)
    }

    /// What the model was made from: what each is called, and its blob.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, Option<Digest>)> {
        let sources = self.predicate.build_definition.resolved_dependencies.iter();
        sources.map(|source| (source.name.as_str(), source.digest()))
    }

    /// The model that it was made from, with the digest of its manifest.
    pub(super) fn base(&self) -> Option<(&str, Option<Digest>)> {
        let base = self.rules().base.as_ref()?;
        Some((&base.name, base.digest()))
    }

    /// The revision of what made the bytes.
    pub(super) fn revision(&self) -> u32 {
        self.rules().revision
    }

    /// The recipes of the files that were made.
    pub(super) fn recipes(&self) -> &[Digest] {
        &self.rules().recipes
    }

    /// The version that made it, for people.
    pub(super) fn version(&self) -> &str {
        self.predicate.run_details.builder.version.get("ollamake").map_or("unknown", String::as_str)
    }

    /// The request, to be made again.
    pub(super) fn request(self) -> Result<Request, CreateError> {
        self.predicate.build_definition.external_parameters.request()
    }

    fn rules(&self) -> &Rules {
        &self.predicate.build_definition.internal_parameters
    }
}

impl Resource {
    fn new(name: String, digest: Digest) -> Self {
        Self { name, uri: None, digest: Sha256 { sha256: digest.hex() } }
    }

    fn digest(&self) -> Option<Digest> {
        format!("sha256:{}", self.digest.sha256).parse().ok()
    }
}

/// What a model is made from, each blob once: the files that the request names, the layers of its base, and
/// what a recipe names.
fn dependencies(output: &Output) -> Vec<Resource> {
    let request = &output.attachments.request;
    let files = request.files.iter().chain(&request.adapters).flat_map(Files::iter);
    let mut sources: Vec<(String, Digest)> = files.map(|(name, digest)| (name.to_string(), digest)).collect();
    if let Material::Base(base) = &output.material {
        let layer = |kind: &str| format!("{kind} of {}", base.name.short());
        sources
            .extend(base.layers.iter().map(|kept| (layer(kept.layer.media_type.noun()), kept.blob.digest())));
    }
    let inputs = output.parts().flat_map(|part| part.inputs());
    sources.extend(inputs.map(|input| (input.file.clone(), input.blob.digest())));
    let mut known = BTreeMap::new();
    for (name, digest) in sources {
        known.entry(digest).or_insert(name);
    }
    let resource = |(digest, name)| {
        let uri = request.addresses.get(&digest).cloned();
        Resource { uri, ..Resource::new(name, digest) }
    };
    known.into_iter().map(resource).collect()
}

impl Asked {
    fn of(output: &Output) -> Self {
        let (request, wanted) = (&output.attachments.request, &output.wanted);
        let named = |files: &Option<Files>| {
            let named = |files: &Files| {
                files.iter().map(|(name, digest)| (name.to_string(), digest.to_string())).collect()
            };
            files.as_ref().map(named)
        };
        let remote_host = match &output.material {
            Material::Remote { host, .. } => host.clone(),
            _ => String::new(),
        };
        let recipe = if wanted.recipe.is_empty() { Map::new() } else { wanted.recipe.to_object() };
        Self {
            model: wanted.model.short(),
            from: request.from.clone(),
            files: named(&request.files),
            adapters: named(&request.adapters),
            merge_adapters: request.merge_adapters.clone(),
            quantize: wanted.quantize.as_ref().map(|quantize| quantize.wish.clone()).unwrap_or_default(),
            recipe,
            template: request.template.clone(),
            system: request.system.clone(),
            license: request.licenses.clone(),
            parameters: request.parameters.clone(),
            messages: request.messages.clone(),
            renderer: request.renderer.clone(),
            parser: request.parser.clone(),
            requires: request.requires.clone(),
            info: request.info.clone(),
            remote_host,
        }
    }

    fn request(self) -> Result<Request, CreateError> {
        let wanted = Wanted {
            model: self.model.parse()?,
            quantize: Quantization::parse(&self.quantize)?,
            recipe: Recipe::from_object(self.recipe)?,
        };
        Ok(Request {
            outputs: Outputs::single(wanted),
            from: self.from,
            files: self.files.map(Files::parse).transpose()?,
            adapters: self.adapters.map(Files::parse).transpose()?,
            merge_adapters: self.merge_adapters,
            template: self.template,
            system: self.system,
            licenses: self.license,
            parameters: self.parameters,
            messages: self.messages,
            renderer: self.renderer,
            parser: self.parser,
            requires: self.requires,
            info: self.info,
            remote_host: self.remote_host,
            addresses: BTreeMap::new(),
            // It says nothing of what the model is.
            publish: Some(false),
        })
    }
}
