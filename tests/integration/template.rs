//! Templates, against what Go answered (`tests/fixtures/template/`).

use ollamake::template::chat::{formats, recognize};
use ollamake::template::{SyntaxError, Template};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    template: String,
    error: Option<String>,
    #[serde(default)]
    variables: Vec<String>,
    #[serde(default)]
    no_data: bool,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../fixtures/template/cases.json")).expect("a list of cases")
}

#[test]
fn verdict_words_and_variables_are_those_of_go() {
    let cases = cases();
    let invalid = cases.iter().filter(|case| case.error.is_some()).count();
    assert!(cases.len() >= 400 && invalid * 2 >= cases.len(), "{invalid} of {} are invalid", cases.len());
    let mut differences = Vec::new();
    for case in &cases {
        let answer = Template::parse(&case.template);
        let agrees = match (&answer, &case.error) {
            (Ok(template), None) => !case.no_data && template.variables().iter().eq(&case.variables),
            // What Go accepts and Ollama then refuses.
            (Err(error), None) => case.no_data && error.problem == SyntaxError::TemplateWithoutData,
            (Err(error), Some(expected)) => error.to_string() == *expected,
            (Ok(_), Some(_)) => false,
        };
        if !agrees {
            differences.push(format!(
                "{:?}\n  go: {:?} {:?}\n  us: {answer:?}",
                case.template, case.error, case.variables
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn nesting_costs_heap_only() {
    let depth = 100_000;
    let nested = format!("{}{}", "{{if .A}}".repeat(depth), "{{end}}".repeat(depth));
    assert!(Template::parse(&nested).is_ok());
    let unclosed = Template::parse(&nested[..nested.len() - "{{end}}".len()]).unwrap_err();
    assert_eq!(unclosed.to_string(), "template: :1: unexpected EOF");

    let chain = format!("{{{{if .A}}}}{}{{{{end}}}}", "{{else if .B}}".repeat(depth));
    assert!(Template::parse(&chain).is_ok());
    let blocks = format!(
        "{}{}",
        (0..depth).map(|i| format!("{{{{block \"{i}\" .}}}}")).collect::<String>(),
        "{{end}}".repeat(depth)
    );
    assert!(Template::parse(&blocks).is_ok());

    // Go gives up on the 10,001st parenthesis.
    let parentheses = |depth| format!("{{{{{}1{}}}}}", "(".repeat(depth), ")".repeat(depth));
    assert!(Template::parse(&parentheses(10_000)).is_ok());
    let error = Template::parse(&parentheses(10_001)).unwrap_err();
    assert_eq!(error.to_string(), "template: :1: max expression depth exceeded");
}

#[test]
fn time_is_linear_in_hostile_text() {
    let many_variables: String = (0..100_000).map(|i| format!("{{{{$v{i} := 1}}}}{{{{$v{i}}}}}")).collect();
    let spaces = format!("{{{{ .A{}", " ".repeat(2_000_000));
    let fields = format!("{{{{ .A{} }}}}", ".B".repeat(1_000_000));
    let (left, comments, ifs) =
        ("{{".repeat(1_000_000), "{{/**/}}".repeat(500_000), "{{if .A}}".repeat(300_000));
    for text in [many_variables, spaces, fields, left, comments, ifs] {
        let begun = std::time::Instant::now();
        let _verdict = Template::parse(&text);
        assert!(begun.elapsed().as_secs() < 20, "{} bytes took {:?}", text.len(), begun.elapsed());
    }
}

/// A piece of a Jinja text with the marks of a format, and what the template supplied for it must show.
#[derive(Deserialize)]
struct Chat {
    format: Option<String>,
    shows: String,
    jinja: String,
}

#[test]
fn chat_formats_are_recognised_by_their_marks() {
    let chats: Vec<Chat> =
        serde_json::from_str(include_str!("../fixtures/template/chat.json")).expect("a list");
    let mut reached = vec![false; formats().len()];
    for chat in &chats {
        let found = recognize(&chat.jinja);
        assert_eq!(found.map(|format| format.name), chat.format.as_deref(), "{}", chat.jinja);
        let Some(found) = found else { continue };
        assert!(found.template().contains(&chat.shows), "{} lacks {:?}", found.name, chat.shows);
        // Spacing, an outer condition or a comment changes nothing.
        let wrapped = format!("{{#- a comment -#}}\n{{% if messages %}}\n  {}\n{{% endif %}}", chat.jinja);
        assert!(std::ptr::eq(recognize(&wrapped).expect("the same format"), found), "{wrapped}");
        reached[formats().iter().position(|format| std::ptr::eq(format, found)).expect("a row")] = true;
    }
    let missed: Vec<&str> =
        formats().iter().zip(&reached).filter(|(_, hit)| !**hit).map(|(row, _)| row.name).collect();
    assert!(missed.is_empty(), "no case for {missed:?}");
}

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{- ",
    " -}}",
    "if ",
    "else ",
    "end",
    "range ",
    "with ",
    "define ",
    "block ",
    "template ",
    "break",
    "continue",
    "nil",
    "$x",
    "$",
    ":=",
    "=",
    ",",
    "|",
    "(",
    ")",
    ".",
    ".A",
    "\"a\"",
    "`b`",
    "'c'",
    "1",
    "0x1p2",
    "1+2i",
    "/*",
    "*/",
    "print ",
    " ",
    "\n",
    "\\",
    "\"",
    "é",
    "text",
];

/// A piece of a template.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => any::<String>()]
}

/// A case with a few characters taken out, put in or replaced.
fn mutant() -> impl Strategy<Value = String> {
    let texts: Vec<String> = cases().into_iter().map(|case| case.template).collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, piece()), 1..4);
    (prop::sample::select(texts), edits).prop_map(|(mut text, edits)| {
        for (place, length, inserted) in edits {
            let mut borders: Vec<usize> = text.char_indices().map(|(index, _)| index).collect();
            borders.push(text.len());
            let from = place.index(borders.len());
            let to = (from + length).min(borders.len() - 1);
            text.replace_range(borders[from]..borders[to], &inserted);
        }
        text
    })
}

proptest! {
    #[test]
    fn any_text_is_accepted_or_refused(text in prop::collection::vec(piece(), 0..40)) {
        let text = text.concat();
        if let Err(error) = Template::parse(&text) {
            prop_assert!(error.line <= 1 + text.matches('\n').count());
        }
    }

    #[test]
    fn any_mutant_is_accepted_or_refused(text in mutant()) {
        if let Ok(template) = Template::parse(&text) {
            prop_assert_eq!(template.text(), &text);
        }
    }
}
