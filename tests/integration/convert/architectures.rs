//! The list of model classes in README.md and on the command line is what the declarations say.

use std::fs;

use ollamake::convert::model_classes;
use serde_json::Value as Json;

use crate::support::process;

/// Set it to have the test write the list anew.
const REWRITE: &str = "OLLAMAKE_REWRITE_DOCS";

const BEGIN: &str = "<!-- model classes: OLLAMAKE_REWRITE_DOCS=1 cargo test convert::architectures -->\n";
const END: &str = "<!-- end of model classes -->\n";

/// The longest line of the list.
const WIDTH: usize = 110;

/// Names one after the other, a paragraph a letter, those whose encoder is converted too with a star.
fn list() -> String {
    let mut text = String::from(
        "<details>\n<summary>The model classes that are converted, those with * with their encoders</summary>",
    );
    let (mut letter, mut length) = (None, 0);
    for class in model_classes() {
        let star = if class.projector { "\\*" } else { "" };
        let word = format!("{}{star}", class.name.replace('_', "\\_"));
        let first = word.chars().next().map(|first| first.to_ascii_uppercase());
        if first != letter {
            text.push_str("\n\n");
            (letter, length) = (first, 0);
        } else if length + ", ".len() + word.len() > WIDTH {
            text.push_str(",\n");
            length = 0;
        } else {
            text.push_str(", ");
            length += ", ".len();
        }
        text.push_str(&word);
        length += word.len();
    }
    text + "\n\n</details>\n"
}

#[test]
fn the_readme_lists_what_is_declared() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let list = list();
    if std::env::var_os(REWRITE).is_some() {
        fs::write(path, [before, BEGIN, &list, END, after].concat()).unwrap();
        return;
    }
    assert!(written == list, "README.md does not list what is declared; {REWRITE}=1 writes it anew");
}

#[test]
fn the_command_prints_what_is_declared() {
    let print = |arguments: &[&str]| {
        let output = process::run(std::path::Path::new("/nonexistent"), arguments);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let json: Json = serde_json::from_str(&print(&["architectures", "--json"])).unwrap();
    assert_eq!(json, serde_json::to_value(model_classes()).unwrap());
    let llama = json.as_array().unwrap().iter().find(|class| class["name"] == "LlamaForCausalLM").unwrap();
    assert!(llama["architectures"].as_array().unwrap().contains(&Json::from("llama")));
    let table = print(&["architectures"]);
    for class in model_classes() {
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(class.name)).unwrap();
        assert!(class.architectures.iter().all(|architecture| line.contains(architecture)), "{line}");
    }
}
