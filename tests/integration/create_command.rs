//! `ollamake create` and its neighbours as a person runs them: a Modelfile in a directory, and no server.

mod looking;
mod options;
mod recipes;
mod sources;
mod uploads;

use std::fs;
use std::path::Path;
use std::process::Output;

use ollamake::gguf::{Gguf, Metadata, ValueRef};
use ollamake::model::{Digest, Manifest, MediaType};
use ollamake::store::Store;
use ollamake::tensor::ElementType;
use tempfile::TempDir;

use crate::in_process::{gguf, small_gguf};
use crate::support::process::{command, text};

/// A directory to work in, and a store.
struct Desk {
    directory: TempDir,
    models: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), models: tempfile::tempdir().unwrap() }
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command(self.models.path(), arguments).current_dir(self.directory.path()).output().unwrap()
    }

    /// What a command that must succeed prints.
    fn output(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that must fail says.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", text(&output));
        text(&output)
    }

    fn create(&self, modelfile: &str) {
        self.put("Modelfile", modelfile);
        self.output(&["create", "m"]);
    }

    /// The error of a Modelfile from which nothing must be made or uploaded.
    fn refuse(&self, modelfile: &str) -> String {
        self.put("Modelfile", modelfile);
        let error = self.refused(&["create", "m"]);
        assert!(fs::read_dir(self.models.path()).unwrap().next().is_none(), "{error}");
        error
    }

    fn manifest(&self, name: &str) -> Manifest {
        Store::open(self.models.path()).unwrap().manifest(&name.parse().unwrap()).unwrap().manifest.clone()
    }

    /// The weights of a model, which has nothing else.
    fn weights(&self, name: &str) -> Vec<u8> {
        let [(_, digest)] = self.layers(name)[..] else { panic!("{name} has several layers") };
        fs::read(self.models.path().join("blobs").join(digest.file_name())).unwrap()
    }

    fn layers(&self, name: &str) -> Vec<(MediaType, Digest)> {
        self.manifest(name).layers.into_iter().map(|layer| (layer.media_type, layer.digest)).collect()
    }
}

fn projector() -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "clip");
    metadata.set("clip.has_vision_encoder", true);
    gguf(&metadata, &[("t.weight", &[32, 2], ElementType::F32)])
}

fn adapter() -> Vec<u8> {
    small_gguf(&[("general.type", "adapter")])
}

#[test]
fn all_that_is_read_of_a_checkpoint_arrives() {
    let desk = Desk::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conversion/embedding-gemma");
    for name in [
        "1_Pooling/config.json",
        "chat_template.jinja",
        "config.json",
        "model.safetensors",
        "modules.json",
        "tokenizer.model",
        "tokenizer_config.json",
    ] {
        desk.put(name, fs::read(fixture.join(name)).unwrap());
    }
    desk.put("additional_chat_templates/tool_use.jinja", "for tools");
    desk.output(&["create", "m"]);
    let weights = desk.layers("m")[0].1;
    let blob = fs::read(desk.models.path().join("blobs").join(weights.file_name())).unwrap();
    let model = Gguf::parse(&blob).unwrap();
    let text = |key| model.get(key).and_then(ValueRef::as_str).map(str::to_owned);
    assert_eq!(text("tokenizer.chat_template.tool_use").as_deref(), Some("for tools"));
    assert!(model.get("gemma-embedding.pooling_type").is_some());
}

#[test]
fn the_modelfile_of_show_makes_the_same_model() {
    let desk = Desk::new();
    desk.put("a/model.gguf", small_gguf(&[]));
    desk.put("b/projector.gguf", projector());
    desk.put("lora.gguf", adapter());
    desk.create(
        "FROM a/model.gguf\nFROM ./b/projector.gguf\nADAPTER lora.gguf\nTEMPLATE \"\"\"\n\
         {{ .Prompt }} \"\"\"\nSYSTEM \"\"\"\"hello\" said he\"\"\"\nPARAMETER stop \"\"\"\"\"\"\"\n\
         PARAMETER stop \"\t\"\nPARAMETER num_ctx 8\nLICENSE \"one\r\ntwo\"\n\
         MESSAGE user \"\"\"\"why?\" \"\"\"\nREQUIRES 0.14.0\n",
    );
    let (model, projector, adapter) =
        (Digest::of(&small_gguf(&[])), Digest::of(&projector()), Digest::of(&adapter()));
    let layers = desk.layers("m");
    assert_eq!(
        layers[..3],
        [(MediaType::Model, model), (MediaType::Projector, projector), (MediaType::Adapter, adapter)]
    );
    let shown = desk.output(&["show", "m", "--modelfile"]);
    desk.put("shown/Modelfile", &shown);
    desk.output(&["create", "again", "-f", "shown/Modelfile"]);
    assert_eq!(desk.manifest("again"), desk.manifest("m"), "{shown}");
}

#[test]
fn parts_are_printed_as_they_are() {
    let desk = Desk::new();
    desk.put("model.gguf", small_gguf(&[]));
    desk.create("FROM ./model.gguf\nTEMPLATE {{ .Prompt }}\nSYSTEM be brief\nLICENSE MIT\n");
    assert_eq!(desk.output(&["show", "m", "--system"]), "be brief");
    assert_eq!(desk.output(&["show", "m", "--template"]), "{{ .Prompt }}");
    assert_eq!(desk.output(&["show", "m", "--license"]), "MIT\n");
}

#[test]
fn a_file_is_taken_once_and_a_name_stands_for_one() {
    let desk = Desk::new();
    desk.put("model.gguf", small_gguf(&[]));
    desk.put("b/model.gguf", projector());
    desk.create("FROM .\nFROM ./model.gguf\n");
    assert_eq!(desk.layers("m").len(), 1);
    let desk = Desk { models: tempfile::tempdir().unwrap(), ..desk };
    assert!(desk.refuse("FROM ./model.gguf\nFROM b/model.gguf\n").contains(
        "Modelfile: (line 2): two files would be called \"model.gguf\": ./model.gguf and b/model.gguf; \
         rename one"
    ));
    let error = desk.refuse("FROM x\nADAPTER ./model.gguf\nADAPTER b/model.gguf\n");
    assert!(error.contains("only one adapter"), "{error}");
}

#[test]
fn a_model_has_one_kind_of_source() {
    let desk = Desk::new();
    desk.put("model.gguf", small_gguf(&[]));
    let error = desk.refuse("FROM one\n\nFROM two\n");
    assert!(error.contains("(line 3): FROM names a second model, 'two' beside 'one'"), "{error}");
    let digest = format!("sha256:{}", "0".repeat(64));
    for (first, second) in [("one", "./model.gguf"), ("./model.gguf", "one"), (&digest, "one")] {
        let error = desk.refuse(&format!("FROM {first}\nFROM {second}\n"));
        assert!(error.contains("(line 2): FROM names the model 'one' as well as files"), "{error}");
    }
}

#[test]
fn what_is_not_there_is_named_with_its_line() {
    let desk = Desk::new();
    for missing in ["./none", "none.gguf", "none/model.safetensors", "/none"] {
        for command in ["FROM", "ADAPTER"] {
            let error = desk.refuse(&format!("FROM base\n\n{command} {missing}\n"));
            assert!(error.starts_with("Error: Modelfile: (line 3): "), "{error}");
            assert!(error.contains(&format!("{missing}: No such file or directory")), "{error}");
        }
    }
    assert!(desk.refuse("FROM .\nTEMPLATE {{ if }}\n").contains("(line 1): .: no model here"));
    fs::remove_file(desk.directory.path().join("Modelfile")).unwrap();
    assert!(desk.refused(&["create", "m"]).starts_with("Error: .: no model here"));
}

#[test]
fn mistakes_are_told_before_anything_is_uploaded() {
    let desk = Desk::new();
    desk.put("model.gguf", small_gguf(&[]));
    let error = desk.refuse("FROM ./model.gguf\nTEMPLATE {{ if }}\n");
    assert!(error.contains("Modelfile: (line 2): template: :1: missing value for if"), "{error}");
    assert!(desk.refused(&["create", "m", "-q", "q4_x"]).contains("unknown quantization type \"q4_x\""));
    assert!(fs::read_dir(desk.models.path()).unwrap().next().is_none());
}

#[test]
fn a_misspelt_parameter_is_refused_unless_it_is_meant() {
    let desk = Desk::new();
    desk.put("model.gguf", small_gguf(&[]));
    for (parameter, says) in [
        (
            "temprature 1",
            "(line 2): parameter \"temprature\" is not known; the nearest that is: temperature;",
        ),
        ("max_tokens 5", "the nearest that is: num_predict;"),
        ("think false", "parameter \"think\" is not known; to store it"),
    ] {
        let error = desk.refuse(&format!("FROM ./model.gguf\nPARAMETER {parameter}\n"));
        assert!(error.contains(says), "{parameter}: {error}");
    }
    desk.create("FROM ./model.gguf\nPARAMETER STOP x\nPARAMETER Temperature 0.5\nPARAMETER mirostat 1\n");
    let parameters = desk.output(&["show", "m", "--parameters"]);
    assert!(parameters.contains("stop  ") && parameters.contains("temperature  "), "{parameters}");

    // What is stored all the same is told, and what `show` prints of it makes the same model again.
    desk.put("Modelfile", "FROM ./model.gguf\nPARAMETER \"temprature\" 1\nPARAMETER seed 1\n");
    let output = desk.run(&["create", "odd"]);
    let said = text(&output);
    let expected = "warning: parameter \"temprature\" is not known, and stored all the same; the nearest \
                    that is: temperature\n";
    assert!(output.status.success() && said.ends_with(expected), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("warning: ")).count(), 1, "{said}");
    let shown = desk.output(&["show", "odd", "--modelfile"]);
    assert!(shown.contains("PARAMETER \"temprature\" 1\n"), "{shown}");
    desk.put("shown/Modelfile", &shown);
    desk.output(&["create", "again", "-f", "shown/Modelfile"]);
    let parameters = ["odd", "again"].map(|model| desk.output(&["show", model, "--parameters"]));
    assert_eq!(parameters[0], parameters[1]);
}

#[test]
fn an_error_is_told_once() {
    let desk = Desk::new();
    desk.put("Modelfile", "FROM http://127.0.0.1:9/library/base\n");
    let logged = |level: Option<&str>| {
        let mut command = command(desk.models.path(), &["create", "m"]);
        command.env_remove("RUST_LOG").envs(level.map(|level| ("RUST_LOG", level)));
        text(&command.current_dir(desk.directory.path()).output().unwrap())
    };
    let told = logged(None);
    assert!(told.contains("Error: ") && !told.contains("ERROR"), "{told}");
    // The log has it for whoever asks.
    assert!(logged(Some("warn")).contains("ERROR"));
}

#[test]
fn a_store_that_cannot_be_opened_is_named() {
    let desk = Desk::new();
    desk.put("file", "x");
    let models = desk.directory.path().join("file");
    for arguments in [&["list"][..], &["fsck"], &["prune"]] {
        let told = text(&command(&models, arguments).output().unwrap());
        assert!(told.contains(&format!("the store in {} (OLLAMA_MODELS)", models.display())), "{told}");
    }
}

#[test]
fn models_are_removed_when_all_names_are_names() {
    let desk = Desk::new();
    desk.put("model.gguf", small_gguf(&[]));
    desk.create("FROM ./model.gguf\n");
    assert!(desk.refused(&["rm", "m", "bad name"]).contains("invalid model name: \"bad name\""));
    assert!(desk.output(&["list"]).contains("m:latest"));
    desk.output(&["rm", "m"]);
    assert!(!desk.output(&["list"]).contains("m:latest"));
}

#[test]
fn the_version_is_printed() {
    let desk = Desk::new();
    let version = format!("ollamake {}\n", env!("CARGO_PKG_VERSION"));
    for flag in ["-v", "--version"] {
        assert_eq!(desk.output(&[flag]), version);
    }
}

#[test]
fn several_types_make_a_model_each() {
    let desk = Desk::new();
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("llama.block_count", 1_u32);
    desk.put("m.gguf", gguf(&metadata, &[("blk.0.ffn_up.weight", &[256, 8], ElementType::F32)]));
    desk.output(&["create", "m", "-q", "q8_0", "-q", "Q4_0", "-q", "f16"]);
    let weights = |name: &str| Gguf::parse(&desk.weights(name)).unwrap().tensors()[0].element_type;
    assert_eq!([weights("m:q8_0"), weights("m:q4_0"), weights("m:f16")], {
        [ElementType::Q8_0, ElementType::Q4_0, ElementType::F16]
    });
    let error = desk.refused(&["create", "m:tag", "-q", "q8_0", "-q", "q4_0"]);
    assert!(error.contains("leave out the tag of \"m:tag\""), "{error}");
    let error = desk.refused(&["create", "n", "-q", "q8_0", "-q", "q8_0"]);
    assert!(error.contains("twice"), "{error}");
    let error = desk.refused(&["create", "n", "-q", "q8_0", "-q", "iq1_s"]);
    assert!(error.contains("1 of 2 models could not be made"), "{error}");
}

#[test]
fn a_model_is_verified_from_its_sources() {
    let desk = Desk::new();
    desk.put("m.gguf", small_gguf(&[]));
    desk.output(&["create", "m", "-q", "q8_0"]);
    assert!(desk.output(&["verify", "m"]).contains("the same model"));
    let source = Digest::of(&small_gguf(&[])).file_name();
    fs::remove_file(desk.models.path().join("blobs").join(source)).unwrap();
    let output = desk.run(&["verify", "m"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("sources are gone: m.gguf (sha256:"), "{}", text(&output));
    assert_eq!(desk.run(&["verify", "none"]).status.code(), Some(2));
}
