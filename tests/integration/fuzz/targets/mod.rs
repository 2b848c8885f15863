//! What is to hold for any bytes: one function a parser. The fuzzer calls them with bytes of its own, and a
//! test with the corpus.

mod bundle;
mod checkpoint;
mod create_request;
mod quantization;
mod registry;

use ollamake::convert::tokenizer::{self, Flavour, Sizes};
use ollamake::convert::{ConvertError, select, select_gguf};
use ollamake::create::FileName;
use ollamake::gguf::{Array, Gguf, Header, TensorDescription, Value};
use ollamake::library::Description;
use ollamake::model::{Child, Digest, HubModel, Manifest, ManifestList, ModelConfig, Name, Reference};
use ollamake::modelfile::Modelfile;
use ollamake::plan::{Plan, Resources, Source, SourceDescription};
use ollamake::quantize::{FileType, Quantized, quantize};
use ollamake::registry::hub::{HubFile, next_page};
use ollamake::safetensors::{self, Checkpoint, NamedSource};
use ollamake::template::{Template, chat};

use bundle::bundle;
use checkpoint::checkpoint;
use create_request::create_request;
use quantization::{imatrix, recipe};
use registry::registry;

/// A function that panics if a parser does not keep its word on these bytes.
pub(crate) type Target = fn(&[u8]);

/// All targets by the names of their corpora.
pub(crate) const TARGETS: [(&str, Target); 16] = [
    ("bundle", bundle),
    ("checkpoint", checkpoint),
    ("create_request", create_request),
    ("digest", digest),
    ("gguf", gguf),
    ("hub", hub),
    ("imatrix", imatrix),
    ("manifest", manifest),
    ("modelfile", modelfile),
    ("name", name),
    ("recipe", recipe),
    ("registry", registry),
    ("safetensors", safetensors),
    ("template", template),
    ("tokenizer_json", tokenizer_json),
    ("tokenizer_model", tokenizer_model),
];

/// What a page of the Hub lists has a digest or a name in git, and what is chosen of it is part of it. An
/// address of the next page is part of the header.
fn hub(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(next) = next_page(&text) {
        assert!(text.contains(&format!("<{next}>")), "{next}");
    }
    if let Ok(Some(model)) = HubModel::parse(&text) {
        assert_eq!(HubModel::parse(&model.to_string()).as_ref().ok(), Some(&Some(model.clone())), "{text}");
        let parts = [&model.owner, &model.repository].into_iter().chain(&model.quantization);
        for part in parts {
            assert!(!part.starts_with('.') && !part.contains(['/', '\\', '%', '?', '#']), "{part}");
        }
        let revision = model.revision.unwrap_or_default();
        assert!(!revision.split('/').any(|part| part == "." || part == ".."), "{revision}");
    }
    let Ok(files) = HubFile::page(bytes) else { return };
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for selected in [select(&names), select_gguf(&names, None), select_gguf(&names, Some("Q4_K_M"))] {
        let selected = selected.unwrap_or_default();
        assert!(selected.iter().all(|name| names.contains(name)), "{selected:?}");
    }
}

/// The largest file that a plan is executed for; larger ones are only checked, to save time.
const EXECUTED: u64 = 64 << 10;

/// Runs the target of this name.
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a known target");
    target(bytes);
}

/// What is accepted lies inside the file and can be written, described and quantized.
fn gguf(bytes: &[u8]) {
    let Ok(file) = Gguf::parse(bytes) else { return };
    let mut covered = file.header_length();
    for tensor in file.tensors() {
        assert!(covered <= tensor.data.start && tensor.data.start < tensor.data.end, "{tensor:?}");
        assert_eq!(tensor.data.start % file.alignment(), 0, "{tensor:?}");
        covered = tensor.data.end;
    }
    assert!(covered <= bytes.len() as u64);

    let described = file.tensors().iter().map(|tensor| TensorDescription {
        name: tensor.name,
        shape: tensor.shape,
        element_type: tensor.element_type,
    });
    let header =
        Header::new(&file.metadata(), &described.collect::<Vec<_>>()).expect("a valid file can be written");
    let mut written = header.bytes().to_vec();
    if header.file_length() <= EXECUTED {
        written.resize(header.file_length() as usize, 0);
        let again = Gguf::parse(&written).expect("what was written can be read");
        // Bytes, because NaN is not equal to itself.
        let rewritten = Header::new(&again.metadata(), &[]).map(|header| header.bytes()[24..].to_vec());
        assert_eq!(rewritten, Header::new(&file.metadata(), &[]).map(|header| header.bytes()[24..].to_vec()));
    }

    drop(Description::of(&file));
    let description = SourceDescription { label: "m.gguf".to_owned(), length: bytes.len() as u64 };
    let Ok(plan) = Plan::copying(&file, description) else { return };
    let types = FileType::all().len();
    let wish = FileType::all().nth(bytes.len() % types).expect("one of the types");
    if let Ok(plan) = quantize(plan, &wish.into(), None).and_then(Quantized::ready) {
        execute_if_small(&plan, &[&bytes]);
    }
}

/// Executes a plan that has passed its check; its size is what it said.
fn execute_if_small(plan: &Plan, sources: &[&dyn Source]) {
    if plan.check().is_err() {
        return;
    }
    let size = plan.size().expect("a checked plan has a size");
    if size > EXECUTED {
        return;
    }
    let mut made = Vec::new();
    let resources = Resources { threads: std::num::NonZeroUsize::MIN, memory: 1 << 20 };
    // Weights may not be numbers.
    if plan.execute(sources, &mut made, resources, &()).is_ok() {
        assert_eq!(made.len() as u64, size);
        let file = Gguf::parse(&made).expect("what is made is a valid file");
        assert_eq!(file.tensors().len(), plan.tensors.len());
    }
}

/// The tensors cover the data of the file without gap or overlap.
fn safetensors(bytes: &[u8]) {
    let file = NamedSource { name: "model.safetensors", bytes };
    if let Ok(header) = safetensors::Header::read(file) {
        let mut ranges: Vec<_> =
            header.tensors.iter().map(|tensor| (tensor.offset, tensor.offset + tensor.length)).collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "{ranges:?}");
        assert!(ranges.last().is_none_or(|last| last.1 == bytes.len() as u64), "{ranges:?}");
        for tensor in &header.tensors {
            let bits = tensor.dimensions.iter().product::<u64>() * tensor.dtype.bitsize() as u64;
            assert_eq!(bits, tensor.length * 8, "{tensor:?}");
        }
        Checkpoint::read(&[file]).expect("a valid file is a checkpoint");
    }
    let mut shard = br#"_______{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}."#.to_vec();
    let header = shard.len() as u64 - 9;
    shard.splice(..7, header.to_le_bytes());
    let index = NamedSource { name: "model.safetensors.index.json", bytes };
    let shard = NamedSource { name: "s.safetensors", bytes: &shard };
    if let Ok(checkpoint) = Checkpoint::read(&[index, shard]) {
        assert_eq!(checkpoint.tensors.len(), 1);
    }
}

/// The vocabulary that these flavours find in a file of this name is as large as it says, and fits.
fn vocabularies(name: &str, bytes: &[u8], flavours: &[Flavour]) {
    let files = [NamedSource { name, bytes }];
    for (index, flavour) in flavours.iter().enumerate() {
        let size = (!(bytes.len() + index).is_multiple_of(2)).then_some(400);
        let sizes = Sizes { tokens: size, token_types: None };
        let vocabulary = match tokenizer::read(&files, flavour, sizes) {
            Ok(vocabulary) => vocabulary,
            Err(error) => {
                assert_is_brief(&error, bytes);
                continue;
            }
        };
        let Some(Value::Array(Array::String(tokens))) = vocabulary.metadata.get("tokenizer.ggml.tokens")
        else {
            panic!("a vocabulary has tokens")
        };
        assert_eq!(tokens.len() as u64, vocabulary.tokens);
        assert!(size.is_none_or(|size| vocabulary.tokens <= size));
        for key in ["tokenizer.ggml.scores", "tokenizer.ggml.token_type"] {
            if let Some(Value::Array(array)) = vocabulary.metadata.get(key) {
                assert_eq!(array.len(), tokens.len(), "{key}");
            }
        }
        Header::new(&vocabulary.metadata, &[]).expect("a vocabulary can be written");
    }
}

/// An error tells little more than what it is about, however long that is.
fn assert_is_brief(error: &ConvertError, bytes: &[u8]) {
    let length = error.to_string().len();
    assert!(length <= 1000 + 2 * bytes.len(), "{length} bytes of message for {} bytes", bytes.len());
}

fn tokenizer_json(bytes: &[u8]) {
    let flavours = [Flavour::BYTE_PAIR, Flavour::LLAMA, Flavour::UNIGRAM, Flavour::WORD_PIECE, Flavour::GLM4];
    vocabularies("tokenizer.json", bytes, &flavours);
}

fn tokenizer_model(bytes: &[u8]) {
    let flavours = [Flavour::LLAMA, Flavour::GEMMA, Flavour::PHI3, Flavour::UNIGRAM];
    vocabularies("tokenizer.model", bytes, &flavours);
}

/// An accepted template keeps its text and names what it uses in lower case.
fn template(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(format) = chat::recognize(&text) {
        assert!(Template::parse(format.template()).is_ok(), "{}", format.name);
    }
    match Template::parse(&text) {
        Ok(template) => {
            assert_eq!(template.text(), text);
            for variable in template.variables() {
                assert!(template.uses(variable));
                assert_eq!(*variable, variable.to_lowercase());
            }
            // White space after the end of a text changes nothing about what it uses.
            let longer = Template::parse(&format!("{text}\n")).expect("a line feed is text");
            assert_eq!(longer.variables(), template.variables());
        }
        Err(error) => {
            let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&error.line), "{error} in {lines} lines");
        }
    }
}

/// What is written of commands reads as the same commands.
fn modelfile(bytes: &[u8]) {
    let Ok(file) = Modelfile::parse(bytes) else { return };
    let written: String = file.commands().map(|command| format!("{command}\n")).collect();
    let again = Modelfile::parse(written.as_bytes()).expect("what was written can be read");
    assert!(again.commands().eq(file.commands()), "{written:?}");
    drop((file.parameters(), file.messages(), file.template().map(str::len)));
}

/// Manifests and configurations are the same when they are written and read again.
fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::from_bytes(bytes) {
        let again = Manifest::from_bytes(&manifest.to_bytes()).expect("what was written can be read");
        assert_eq!(again, manifest);
        assert!(
            manifest.blobs().count() == manifest.layers.len() + 1 && manifest.size() >= manifest.config.size
        );
    }
    if let Ok(list) = ManifestList::from_bytes(bytes) {
        for element in list.elements {
            if let Child::Inline(child) = element.child {
                for form in child.forms() {
                    let again = Manifest::from_bytes(&form).expect("a manifest of a list is one by itself");
                    assert_eq!(again, child.manifest);
                }
            }
        }
    }
    if let Ok(config) = serde_json::from_slice::<ModelConfig>(bytes) {
        let written = serde_json::to_vec(&config).expect("a configuration can be written");
        let again: ModelConfig = serde_json::from_slice(&written).expect("what was written can be read");
        assert_eq!(again, config);
    }
}

/// No part of a name and no file name leads out of its directory, and both mean what they show.
fn name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match text.parse::<Reference>() {
        Ok(Reference::Name(name)) => assert_eq!(text.parse(), Ok(name)),
        Ok(Reference::Pinned(name, _)) => assert!(text.starts_with(name.model()) || text.contains('/')),
        Ok(Reference::Digest(digest)) => assert_eq!(Digest::in_any_spelling(&text), Ok(digest)),
        Err(_) => assert!(text.parse::<Name>().is_err()),
    }
    if let Ok(name) = text.parse::<Name>() {
        for part in name.parts() {
            assert!(!part.is_empty() && part.len() <= 255 && part.is_ascii(), "{part:?}");
            assert!(!part.starts_with(['.', '-']) && !part.contains(['/', '\\', '\0', '%']), "{part:?}");
        }
        for text in [name.to_string(), name.short()] {
            assert_eq!(text.parse::<Name>().as_ref(), Ok(&name), "{text}");
        }
    }
    if let Ok(name) = text.parse::<FileName>() {
        let path = std::path::Path::new(name.as_str());
        assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{name}");
        assert_eq!(name.as_str(), text);
    }
}

/// A digest is its 64 digits behind either prefix, and nothing else is one.
fn digest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match text.parse::<Digest>() {
        Ok(digest) => {
            assert!(text == digest.to_string() || text == digest.file_name(), "{text}");
            assert_eq!(digest.file_name().parse::<Digest>(), Ok(digest));
        }
        Err(_) => {
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let looks_right = (text.starts_with("sha256:") || text.starts_with("sha256-"))
                && text.len() == 71
                && text.bytes().skip(7).all(is_digit);
            assert!(!looks_right, "{text}");
        }
    }
}
