//! What a Modelfile can say, given as options, and what is checked before anything is sent.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use ollamake::gguf::Metadata;
use ollamake::tensor::ElementType;
use serde_json::Value;

use super::{Desk, adapter, projector};
use crate::in_process::{gguf, small_gguf};
use crate::support::files::fixture;
use crate::support::process::{command, text};

impl Desk {
    /// What a command says that must fail before anything reaches the store.
    fn refused_here(&self, arguments: &[&str]) -> String {
        let error = self.refused(arguments);
        let stored = fs::read_dir(self.models.path().join("blobs")).map_or(0, Iterator::count);
        assert_eq!(stored, 0, "{error}");
        assert!(error.starts_with("Error: "), "{error}");
        error
    }
}

#[test]
fn options_come_after_the_modelfile() {
    let desk = Desk::new();
    desk.put("model.gguf", small_gguf(&[]));
    desk.put("lora/a.gguf", adapter());
    desk.put(
        "Modelfile",
        "FROM ./model.gguf\nSYSTEM first\nPARAMETER seed 1\nPARAMETER stop a\nLICENSE MIT\n",
    );
    let options = [
        ["--system", "second"],
        ["--template", "{{ .Prompt }}"],
        ["--parameter", "SEED=2"],
        ["--parameter", "stop=b=c"],
        ["--parameter", "\"own\"=x"],
        ["--license", "Apache"],
        ["--adapter", "lora/a.gguf"],
    ];
    desk.output(&[&["create", "given"], options.as_flattened()].concat());
    desk.put(
        "whole",
        "FROM ./model.gguf\nADAPTER lora/a.gguf\nSYSTEM second\nTEMPLATE {{ .Prompt }}\nPARAMETER seed 2\n\
         PARAMETER stop a\nPARAMETER stop b=c\nPARAMETER \"own\" x\nLICENSE MIT\nLICENSE Apache\n",
    );
    desk.output(&["create", "written", "-f", "whole"]);
    assert_eq!(desk.manifest("given"), desk.manifest("written"));
}

#[test]
fn options_that_mean_nothing_are_named() {
    let desk = Desk::new();
    desk.put("model.gguf", small_gguf(&[]));
    desk.put("Modelfile", "FROM ./model.gguf\n");
    for (option, value, says) in [
        ("--parameter", "temprature=1", "--parameter: parameter \"temprature\" is not known"),
        (
            "--parameter",
            "temperature=hot",
            "--parameter: parameter temperature must be a number, not \"hot\"",
        ),
        ("--parameter", "seed", "--parameter: \"seed\" is not NAME=VALUE"),
        ("--template", "{{ if }}", "--template: template: :1: missing value for if"),
        ("--adapter", "./none.gguf", "--adapter: ./none.gguf: No such file"),
        ("--adapter", "model.gguf", "model.gguf: this is not an adapter but a model"),
    ] {
        let error = desk.refused_here(&["create", "m", option, value]);
        assert!(error.contains(says), "{option} {value}: {error}");
    }
}

#[test]
fn a_modelfile_may_come_through_a_pipe() {
    let desk = Desk::new();
    desk.put("sub/model.gguf", small_gguf(&[]));
    let create = |modelfile: &str| {
        let mut command = command(desk.models.path(), &["create", "m", "-f", "-"]);
        command.current_dir(desk.directory.path()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(modelfile.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = create("FROM sub/model.gguf\nSYSTEM piped\n");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(desk.output(&["show", "m", "--system"]), "piped");
    let said = text(&create("FROM sub/model.gguf\nSYSTEM\n"));
    assert!(said.contains("standard input: (line 2): SYSTEM needs a value"), "{said}");
}

#[test]
fn what_is_no_model_is_told_before_anything_is_sent() {
    let desk = Desk::new();
    desk.put("z.zip", b"PK\x03\x04rest of an archive");
    desk.put("text.gguf", "hello");
    desk.put("empty.gguf", "");
    desk.put("notes.txt", "hello");
    desk.put("page.gguf", "<!DOCTYPE html><html></html>");
    desk.put("cut.gguf", &small_gguf(&[])[..100]);
    desk.put("projector.gguf", projector());
    desk.put("lora.gguf", adapter());
    desk.put("two/a.gguf", small_gguf(&[]));
    desk.put("two/b.gguf", small_gguf(&[("general.name", "b")]));
    desk.put("i.gguf", small_gguf(&[("general.type", "imatrix")]));
    for (from, says) in [
        ("./z.zip", "z.zip: this is a ZIP archive"),
        ("./text.gguf", "text.gguf: "),
        ("./empty.gguf", "empty.gguf: the file is empty"),
        ("./notes.txt", "notes.txt: this is not a model file; expected a GGUF file, safetensors"),
        ("./page.gguf", "page.gguf: this is a web page (HTML)"),
        ("./cut.gguf", "cut.gguf: "),
        ("./projector.gguf", "projector.gguf: this is a projector, which needs a model"),
        ("./lora.gguf", "lora.gguf: this is an adapter, which needs a model"),
        ("./i.gguf", "i.gguf: this is an importance matrix"),
        ("./two", "these are several models: ./two/a.gguf, ./two/b.gguf; name one of them"),
    ] {
        desk.put("Modelfile", format!("FROM {from}\n"));
        let error = desk.refused_here(&["create", "m"]);
        assert!(error.contains(says), "{from}: {error}");
    }
    // A model and its projector are one model.
    desk.put("pair/a.gguf", small_gguf(&[]));
    desk.put("pair/mmproj.gguf", projector());
    desk.create("FROM ./pair\n");
    assert_eq!(desk.layers("m").len(), 2);
    let error = desk.refused(&["create", "m", "-f", "two"]);
    assert!(error.contains("two: this is a directory, and -f names a Modelfile"), "{error}");
}

/// A directory without a Modelfile that holds several models is one of these mistakes.
#[test]
fn a_directory_of_two_models_is_no_model() {
    let desk = Desk::new();
    desk.put("a.gguf", small_gguf(&[]));
    desk.put("b.gguf", small_gguf(&[("general.name", "b")]));
    let error = desk.refused_here(&["create", "m"]);
    assert!(error.contains("these are several models: ./a.gguf, ./b.gguf"), "{error}");
    let error = desk.refused(&["quantize", ".", "out.gguf", "q8_0"]);
    assert!(error.contains("these are several models: ./a.gguf, ./b.gguf"), "{error}");
}

#[test]
fn a_checkpoint_is_checked_before_anything_is_sent() {
    let desk = Desk::new();
    let checkpoint = fixture("conversion/mistral");
    let files = || fs::read_dir(&checkpoint).unwrap().map(|entry| entry.unwrap());
    for entry in files().filter(|entry| entry.file_name() != "expected.json") {
        desk.put(entry.file_name().to_str().unwrap(), fs::read(entry.path()).unwrap());
    }
    let config: Value = serde_json::from_slice(&fs::read(checkpoint.join("config.json")).unwrap()).unwrap();
    let with = |field: &str, value: Value| {
        let mut changed = config.clone();
        changed[field] = value;
        desk.put("config.json", changed.to_string());
        desk.refused_here(&["create", "m"])
    };
    let error = with("architectures", ["NoSuchModel"].as_slice().into());
    assert!(error.contains("NoSuchModel"), "{error}");
    let error = with("hidden_size", 512.into());
    assert!(error.contains("hidden_size"), "{error}");
    desk.put("config.json", config.to_string());
    let error = desk.refused_here(&["create", "m", "-q", "q8_0", "--prune-layers", "99"]);
    assert!(error.contains("layer 99 cannot be left out"), "{error}");
    // A file of it stands for all that belongs to it.
    desk.put("sub/Modelfile", "FROM ../model.safetensors\n");
    desk.output(&["create", "m", "-f", "sub/Modelfile"]);
    desk.output(&["create", "n"]);
    assert_eq!(desk.manifest("m").layers[0].digest, desk.manifest("n").layers[0].digest);
}

#[test]
fn an_adapter_file_stands_for_its_directory() {
    let desk = Desk::new();
    for (folder, case) in [("base", "mistral"), ("lora", "lora-mistral")] {
        for entry in fs::read_dir(fixture(&format!("conversion/{case}"))).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() && entry.file_name() != "expected.json" {
                let name = format!("{folder}/{}", entry.file_name().to_str().unwrap());
                desk.put(&name, fs::read(entry.path()).unwrap());
            }
        }
    }
    desk.create("FROM ./base\nADAPTER ./lora\n");
    let whole = desk.manifest("m");
    desk.create("FROM ./base/model.safetensors\nADAPTER ./lora/adapter_model.safetensors\n");
    assert_eq!(desk.manifest("m"), whole);
}

#[test]
fn requantizing_gives_the_true_reason() {
    let desk = Desk::new();
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("llama.block_count", 1_u32);
    desk.put("m.gguf", gguf(&metadata, &[("blk.0.ffn_up.weight", &[256, 8], ElementType::Q8_0)]));
    let error = desk.refused_here(&["create", "m", "-q", "f32"]);
    assert!(error.contains("unpacking it to F32 for F32 takes more room"), "{error}");
    let error = desk.refused_here(&["create", "m", "-q", "q4_0"]);
    assert!(error.contains("would lose quality"), "{error}");
}
