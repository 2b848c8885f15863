//! The Modelfile language.

use ollamake::modelfile::{Command, Modelfile, ModelfileError};
use proptest::prelude::*;
use serde_json::json;

use crate::support::process::{run, text};

fn parse(text: &str) -> Modelfile {
    Modelfile::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn written<'c>(commands: impl IntoIterator<Item = &'c Command>) -> String {
    commands.into_iter().map(|command| format!("{command}\n")).collect()
}

fn refused(text: &str) -> String {
    Modelfile::parse(text.as_bytes()).expect_err(text).to_string()
}

#[test]
fn every_command_is_read() {
    let modelfile = parse(
        "# all of them\n\nfrom ./model.gguf\nFROM ./mmproj.gguf\nAdapter ./lora\nDRAFT ./small.gguf\n\
         TEMPLATE {{ .Prompt }}\nSYSTEM first\nSYSTEM You are a pirate\nPARAMETER num_ctx 128\n\
         PARAMETER stop a\n  PARAMETER   stop   \" b \"\nPARAMETER temperature 0.5\nPARAMETER USE_MMAP true\n\
         PARAMETER \"newer than us\" 1\nPARAMETER num_ctx 256\nLICENSE MIT\nLICENSE second\n\
         MESSAGE user hi: there\nMESSAGE assistant yo\nRENDERER r\nPARSER p\nREQUIRES v0.14.0",
    );
    assert_eq!(modelfile.commands().len(), 21);
    let files = [
        (3, Command::From("./model.gguf".to_owned())),
        (4, Command::From("./mmproj.gguf".to_owned())),
        (5, Command::Adapter("./lora".to_owned())),
        (6, Command::Draft("./small.gguf".to_owned())),
    ];
    assert!(modelfile.lines().take(4).eq(files.iter().map(|(line, command)| (*line, command))));
    assert_eq!(modelfile.licenses().collect::<Vec<_>>(), ["MIT", "second"]);
    assert_eq!((modelfile.template(), modelfile.system()), (Some("{{ .Prompt }}"), Some("You are a pirate")));
    assert_eq!(
        (modelfile.renderer(), modelfile.parser(), modelfile.requires()),
        (Some("r"), Some("p"), Some("0.14.0"))
    );
    let messages = json!([{"role": "user", "content": "hi: there"}, {"role": "assistant", "content": "yo"}]);
    assert_eq!(serde_json::to_value(modelfile.messages()).unwrap(), messages);
    let parameters = json!({
        "newer than us": "1", "num_ctx": 256, "stop": ["a", " b "], "temperature": 0.5, "use_mmap": true
    });
    assert_eq!(serde_json::to_value(modelfile.parameters()).unwrap(), parameters);
}

/// What Ollama's own parser makes of the same lines.
#[test]
fn values_end_where_their_quotes_close() {
    for (text, expected) in [
        ("bare text  ", "bare text"),
        ("\t tabs\tinside\t", "tabs\tinside"),
        ("\"  kept  \"  ", "  kept  "),
        ("\"\"", ""),
        ("\"\"\"\"\"\"", ""),
        ("say \"hi\"", "say \"hi\""),
        ("\"a\" b\nc\"", "a\" b\nc"),
        ("\"one\n# two\n\nthree\"", "one\n# two\n\nthree"),
        ("\"\"\"\none \"two\"\n\"\"\"", "\none \"two\"\n"),
        ("\"\"\"a\r\nb\"\"\"\r", "a\r\nb"),
        ("\"\"\"a\"\"\" b\n\"\"\"", "a\"\"\" b\n"),
        ("\"\"\"''\"'\"\"'\"\"'\"'''''\"\"'\"\"'\"\"\"", "''\"'\"\"'\"\"'\"'''''\"\"'\"\"'"),
        ("", ""),
        ("{{ .A }} # no comment", "{{ .A }} # no comment"),
        ("👋🏽 naïve\u{200d}", "👋🏽 naïve\u{200d}"),
    ] {
        for end in ["", "\n", "\r\n", "\r", "\nPARAMETER seed 1\n"] {
            let modelfile = parse(&format!("FROM x\nSYSTEM {text}{end}"));
            assert_eq!(modelfile.system(), Some(expected), "{text:?} {end:?}");
            assert_eq!(modelfile.commands().len(), 2 + usize::from(end.contains("seed")));
        }
    }
}

#[test]
fn encodings_are_recognised_by_their_mark() {
    let text = "FROM größe\nSYSTEM 👋\n";
    let utf_16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once('\u{feff}')
            .chain(text.chars())
            .collect::<String>()
            .encode_utf16()
            .flat_map(unit)
            .collect()
    };
    for bytes in [
        text.as_bytes().to_vec(),
        format!("\u{feff}{text}").into_bytes(),
        utf_16(u16::to_le_bytes),
        utf_16(u16::to_be_bytes),
    ] {
        assert_eq!(Modelfile::parse(&bytes), Ok(parse(text)));
    }
    // UTF-16 is recognised without a mark, too.
    let unmarked = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    for bytes in [unmarked(u16::to_le_bytes), unmarked(u16::to_be_bytes)] {
        assert_eq!(Modelfile::parse(&bytes), Ok(parse(text)));
    }
    for (bytes, says) in [
        (&b"FROM x\r\nSYSTEM Caf\xe9\r\n"[..], "(line 2): the text is not UTF-8: the bytes e9 mean nothing"),
        (b"FROM \xff", "(line 1): the text is not UTF-8"),
        (b"\xff\xfeF\0R\0O\0M\0 \0x\0y", "(line 1): the text is not UTF-8: the bytes 79 mean nothing"),
        (b"\xff\xfeF\0\n\0\x00\xd8A\0", "(line 2): the text is not UTF-8: the bytes d800 mean nothing"),
    ] {
        let error = Modelfile::parse(bytes).unwrap_err().to_string();
        assert!(error.starts_with(says) && error.ends_with("save the file as UTF-8"), "{error}");
    }
}

#[test]
fn mistakes_are_named_with_their_line() {
    let commands = "command must be one of \"from\", \"license\", \"template\", \"system\", \"adapter\", \"draft\", \
                    \"renderer\", \"parser\", \"parameter\", \"message\", \"requires\", \"quantize\", or \
                    \"recipe\"";
    for (text, message) in [
        ("", "no FROM line: add one that names a model, a file or a directory".to_owned()),
        ("# FROM x\nSYSTEM y", "no FROM line: add one that names a model, a file or a directory".to_owned()),
        ("\nFROM foo\nBADCOMMAND x y\n", format!("(line 3): {commands}, not \"BADCOMMAND\"")),
        ("FROM foo\r\n\r\nFRÖM x\r\n", format!("(line 3): {commands}, not \"FRÖM\"")),
        ("FROM", "(line 1): FROM needs a value on the same line".to_owned()),
        ("FROM \"\"", "(line 1): FROM needs a value on the same line".to_owned()),
        ("FROM x\nsystem\nhi", "(line 2): SYSTEM needs a value on the same line".to_owned()),
        ("FROM x\n\nPARAMETER", "(line 3): PARAMETER needs a value on the same line".to_owned()),
        ("FROM x\nPARAMETER top_k\n", "(line 2): PARAMETER needs a value on the same line".to_owned()),
        (
            "FROM x\nPARAMETER odd-one 1",
            "(line 2): the name of a parameter consists of letters, digits and underscores, unlike \
             \"odd-one\""
                .to_owned(),
        ),
        (
            "FROM x\nPARAMETER tempreature 1",
            "(line 2): parameter \"tempreature\" is not known; the nearest that is: temperature; to store it \
             all the same put its name in quotes"
                .to_owned(),
        ),
        (
            "FROM x\nPARAMETER \"odd 1",
            "(line 2): the name of a parameter needs a closing quote on the same line".to_owned(),
        ),
        (
            "FROM x\nPARAMETER top_k 1.5",
            "(line 2): parameter top_k must be an integer, not \"1.5\"".to_owned(),
        ),
        (
            "FROM x\nPARAMETER temperature hot",
            "(line 2): parameter temperature must be a number, not \"hot\"".to_owned(),
        ),
        ("FROM x\nMESSAGE user\n", "(line 2): MESSAGE needs a value on the same line".to_owned()),
        (
            "FROM x\nMESSAGE badguy I'm a bad guy!\n",
            "(line 2): message role must be one of \"system\", \"user\", or \"assistant\", not \"badguy\""
                .to_owned(),
        ),
        (
            "FROM x\nSYSTEM \"\"\"This\nis open.\"\"\nPARAMETER seed 1\n",
            "(line 2): unexpected EOF: the value of SYSTEM that begins here needs a closing \"\"\""
                .to_owned(),
        ),
        (
            "FROM x\nREQUIRES soon",
            "(line 2): requires must be a valid semver (e.g. 0.14.0), not \"soon\"".to_owned(),
        ),
    ] {
        assert_eq!(refused(text), message, "{text:?}");
    }
    let long = refused(&format!("FROM x\n{} y", "z".repeat(1_000_000)));
    assert!(long.len() < 300);
}

/// The text of a recorded answer of `show`.
#[test]
fn show_writes_what_ollama_writes() {
    let command =
        |name: &str, value: &str| Command::Parameter { name: name.to_owned(), value: value.to_owned() };
    let message =
        |role: &str, content: &str| Command::Message { role: role.to_owned(), content: content.to_owned() };
    let commands = [
        Command::From("/models/blobs/sha256-41e8".to_owned()),
        Command::Template(
            "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ end }}<|im_start|>assistant\n".to_owned(),
        ),
        Command::System("You are a pirate".to_owned()),
        command("stop", "<|im_start|>"),
        command("temperature", "0.5"),
        Command::License("MIT".to_owned()),
        message("user", "hi"),
        message("assistant", "yo"),
    ];
    let expected = "FROM /models/blobs/sha256-41e8\n\
                    TEMPLATE \"{{- range .Messages }}<|im_start|>{{ .Role }}\n\
                    {{ end }}<|im_start|>assistant\n\"\nSYSTEM You are a pirate\n\
                    PARAMETER stop <|im_start|>\nPARAMETER temperature 0.5\nLICENSE MIT\nMESSAGE user hi\n\
                    MESSAGE assistant yo\n";
    assert_eq!(written(&commands), expected);
    assert!(parse(expected).commands().eq(&commands));
}

#[test]
fn time_is_linear_in_hostile_text() {
    for text in [
        format!("FROM x\nSYSTEM \"{}", "\n".repeat(2_000_000)),
        format!("FROM x\nSYSTEM \"\"\"{}", "a\"\n".repeat(1_000_000)),
        format!("FROM x\nSYSTEM {}", " ".repeat(2_000_000)),
        format!("FROM x\n{}", "SYSTEM y\n".repeat(500_000)),
    ] {
        let begun = std::time::Instant::now();
        let _verdict = Modelfile::parse(text.as_bytes());
        assert!(begun.elapsed().as_secs() < 20, "{} bytes took {:?}", text.len(), begun.elapsed());
    }
}

/// Text of which some is special to the language. What cannot be written at all is left out.
fn value() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "\"", "\"\"\"", "\n", "\r\n", "\r", " ", "\t", "#", "FROM ", "a", "é", "\u{a0}",
    ]);
    prop::collection::vec(prop_oneof![special.prop_map(str::to_owned), "\\PC{0,4}"], 0..8)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("a line before the last must not end in quotes", |text| {
            let lines: Vec<&str> = text.split(['\n', '\r']).collect();
            !lines[..lines.len() - 1].iter().any(|line| line.trim_end().ends_with("\"\"\""))
        })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        value().prop_filter("a source", |text| !text.is_empty()).prop_map(Command::From),
        value().prop_map(Command::Adapter),
        value().prop_map(Command::Template),
        value().prop_map(Command::System),
        value().prop_map(Command::License),
        value().prop_map(Command::Renderer),
        Just(Command::Requires("1.2.3-rc1".to_owned())),
        ("(stop|unknown_1)", value()).prop_map(|(name, value)| Command::Parameter { name, value }),
        ("(system|user|assistant)", value()).prop_map(|(role, content)| Command::Message { role, content }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(mut commands in prop::collection::vec(command(), 0..6)) {
        commands.push(Command::From("x".to_owned()));
        prop_assert!(parse(&written(&commands)).commands().eq(&commands));
    }

    #[test]
    fn any_bytes_are_accepted_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _verdict = Modelfile::parse(&bytes);
    }

    #[test]
    fn any_text_is_accepted_or_refused(
        lines in prop::collection::vec(("(FROM|system|PARAMETER|message|#|)", value()), 0..6)
    ) {
        let text: String = lines.iter().map(|(command, value)| format!("{command} {value}\n")).collect();
        match Modelfile::parse(text.as_bytes()) {
            Ok(modelfile) => {
                let again = parse(&written(modelfile.commands()));
                prop_assert!(again.commands().eq(modelfile.commands()));
            }
            Err(ModelfileError::NoFrom) => {}
            Err(error) => prop_assert!(error.to_string().starts_with("(line ")),
        }
    }
}

#[test]
fn a_modelfile_with_a_draft_model_is_refused_and_not_made_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Modelfile");
    std::fs::write(&file, "FROM base\nDRAFT ./small.gguf\n").unwrap();
    let output = run(directory.path(), &["create", "m", "-f", file.to_str().unwrap()]);
    assert!(
        !output.status.success() && text(&output).contains("DRAFT is not supported"),
        "{}",
        text(&output)
    );
}
