//! The list of model classes, as a page and on the command line, is what the declarations say.

use std::fmt::Write as _;
use std::path::Path;

use ollamake::convert::model_classes;
use serde_json::Value as Json;

use super::generated::{made_by, page_is};
use crate::support::process;

#[test]
fn the_page_lists_what_is_declared() {
    let classes = model_classes();
    let mut page = String::from("# Model classes\n\n") + &made_by("architectures");
    write!(
        page,
        "\nA checkpoint is converted if the class that its `config.json` names under `architectures` is one \
         of these {}. The second column\nis what the GGUF file says of itself (`general.architecture`). \
         Those with a star are converted with their encoders of images or\n\
         sound, as a projector. `ollamake architectures` prints the list.\n\n| class | architecture |\n\
         |---|---|\n",
        classes.len()
    )
    .unwrap();
    for class in classes {
        let star = if class.projector { " \\*" } else { "" };
        writeln!(page, "| `{}`{star} | {} |", class.name, class.architectures.join(", ")).unwrap();
    }
    page_is("reference/architectures.md", &page);
}

#[test]
fn the_command_prints_what_is_declared() {
    let print = |arguments: &[&str]| {
        let output = process::run(Path::new("/nonexistent"), arguments);
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
