//! All settings in order: for `ollamake serve --help`, and for `docs/settings.md`.

use super::config::Config;
use super::setting::{Default, Number, Row, UNBOUNDED};
use super::shown::Setting;
use super::variables as v;

enum Entry {
    Text(Row),
    Number(Number),
}

impl Entry {
    fn name(&self) -> &'static str {
        match self {
            Self::Text(row) => row.name,
            Self::Number(number) => number.name,
        }
    }

    /// The variable, what holds without it, its bounds, and what it means.
    fn columns(&self) -> [String; 4] {
        match self {
            Self::Text(Row { name, default, meaning }) => [*name, *default, "", *meaning].map(str::to_owned),
            Self::Number(number) => {
                let show = |value| number.unit.show(value);
                let default = match number.default {
                    Default::Is(value) => show(value),
                    Default::Cores => "all cores".to_owned(),
                    Default::Unbounded => UNBOUNDED.to_owned(),
                };
                let bounds = format!("{} to {}", show(number.least), show(number.most));
                [number.name.to_owned(), default, bounds, number.meaning.to_owned()]
            }
        }
    }
}

/// All settings, by what they are about.
fn sections() -> Vec<(&'static str, Vec<Entry>)> {
    let texts = |rows: &[Row]| rows.iter().copied().map(Entry::Text).collect::<Vec<_>>();
    let numbers = |rows: &[Number]| rows.iter().copied().map(Entry::Number).collect::<Vec<_>>();
    let mut work =
        numbers(&[v::MAX_JOBS, v::MAX_TRANSFERS, v::MAX_QUEUE, v::CHECKPOINT, v::JOB_MEMORY, v::JOB_THREADS]);
    work.push(Entry::Text(v::SIMD));
    let mut registry = texts(&[v::REGISTRY, v::REGISTRY_USER, v::REGISTRY_PASSWORD, v::DOCKER_CONFIG]);
    registry.push(Entry::Number(v::REGISTRY_SILENCE));
    registry.extend(texts(&[&v::PROXIES[..], &v::CERTIFICATES].concat()));
    let hub = texts(&[v::HF_ENDPOINT, v::HF_TOKEN, v::HF_HOME, v::HF_HUB_CACHE]);
    let mut library = texts(&[v::LIBRARY, v::PUBLISH]);
    library.extend(numbers(&[v::LIBRARY_WAIT, v::CACHE_SIZE]));
    vec![
        ("Where things are", texts(&[v::HOST, v::MODELS, v::NO_PRUNE, v::HOME])),
        (
            "Who may ask",
            texts(&[
                v::API_KEY,
                v::API_KEY_FILE,
                v::OPEN_REGISTRY,
                v::OLLAMA_KEYS,
                v::HOSTS,
                v::ORIGINS,
                v::IMPORT_DIRS,
            ]),
        ),
        (
            "What a client may demand",
            numbers(&[
                v::MAX_REQUEST,
                v::MAX_UPLOAD,
                v::MAX_FILES,
                v::MAX_CONNECTIONS,
                v::IDLE,
                v::STALL,
                v::UPLOAD,
                v::SHUTDOWN,
            ]),
        ),
        ("What jobs may use", work),
        ("Registries", registry),
        ("The Hugging Face Hub", hub),
        ("A library for many machines", library),
        ("The log", texts(&[v::DEBUG, v::LOG, v::LOG_FILTER])),
    ]
}

/// All settings for a terminal.
pub fn settings_text() -> String {
    let mut text = String::new();
    for (title, entries) in sections() {
        text.push_str(&format!("{title}:\n"));
        entries.iter().for_each(|entry| text.push_str(&for_terminal(entry)));
        text.push('\n');
    }
    text
}

/// Some settings for a terminal, in the order of the whole table.
pub fn variables_text(names: &[&str]) -> String {
    let mut text = String::from("Variables:\n");
    let all = sections().into_iter().flat_map(|(_, entries)| entries);
    for entry in all.filter(|entry| names.contains(&entry.name())) {
        text.push_str(&for_terminal(&entry));
    }
    text
}

fn for_terminal(entry: &Entry) -> String {
    let [name, default, _, meaning] = entry.columns();
    let default = if default.is_empty() { String::new() } else { format!(" [{default}]") };
    format!("  {name}{default}\n          {meaning}\n").replace('`', "")
}

impl Config {
    /// All settings in order, with what holds of those that may be shown.
    pub fn settings(&self) -> Vec<Setting> {
        let plain = |text: &str| text.replace('`', "");
        let setting = |section, entry: &Entry| {
            let [_, default, _, meaning] = entry.columns();
            let name = entry.name();
            let value = self.shown(name);
            Setting { name, section, meaning: plain(&meaning), default: plain(&default), value }
        };
        let sections = sections().into_iter();
        sections
            .flat_map(|(title, entries)| entries.into_iter().map(move |entry| (title, entry)))
            .map(|(title, entry)| setting(title, &entry))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;
    use crate::config::setting::Unit;
    use crate::config::{Config, fixed};
    use crate::{convert, create, gguf, model, safetensors, store};

    /// Set it to have the test write the table anew.
    const REWRITE: &str = "OLLAMAKE_REWRITE_DOCS";

    /// Limits that nobody can set.
    fn fixed_limits() -> Vec<(String, &'static str)> {
        let count = |number: usize, meaning| (Unit::Things.show(number as u64), meaning);
        let bytes = |number: usize, meaning| (Unit::Bytes.show(number as u64), meaning);
        vec![
            count(fixed::UPLOADS, "uploads that are received at once; more wait"),
            count(
                fixed::BEGUN_UPLOADS,
                "uploads in several attempts that are known at once, until they expire; more are answered \
                 503",
            ),
            bytes(fixed::LONGEST_METADATA, "what a client tells about such an upload (`Upload-Metadata`)"),
            bytes(
                fixed::SPARE_CHUNKS * fixed::CHUNK,
                "memory that uploads share for what is not written yet",
            ),
            count(fixed::LONG_BODIES, "JSON bodies of more than 64 KiB that are decoded at once; more wait"),
            bytes(fixed::LARGEST_TREE, "memory for the values of one JSON body"),
            count(fixed::MAX_DEPTH, "brackets of a JSON body that may be open at once"),
            count(fixed::PREPARATIONS, "create requests that are checked at once; more wait"),
            count(fixed::LINKS, "links for one download that are good at once; more are answered 503"),
            count(fixed::TOKENS, "tokens for clients of the registry that are good at once; older ones end"),
            count(fixed::QUICK_JOBS, "jobs at once that only write metadata; more wait"),
            count(fixed::RECORDED_JOBS, "jobs that have ended and are told of, for a week at most"),
            count(fixed::RECORDED_LINES, "lines that are kept of what an ended job said"),
            bytes(
                model::LONGEST_TEXT,
                "a template, a system prompt, a license, the parameters, the messages",
            ),
            bytes(model::LONGEST_CONFIG, "the configuration of a model"),
            bytes(create::LONGEST_SETTING, "a name, a version or an address in a create request"),
            bytes(store::LONGEST_DOCUMENT, "a manifest, or a list of manifests"),
            bytes(gguf::MAX_HEADER, "the header of a GGUF file"),
            count(gguf::MAX_TENSORS as usize, "tensors of a GGUF file"),
            bytes(safetensors::HEADER_LIMIT as usize, "the header of a safetensors file"),
            count(convert::MAX_LAYERS as usize, "layers of a checkpoint"),
        ]
    }

    fn table() -> String {
        let mut text = String::from(
            "# Settings and limits\n\n\
             Settings are variables of the environment, read once when the program starts; one that cannot \
             be used keeps it\n\
             from starting. A number of bytes is written in full, without a unit. The declarations are in\n\
             `src/config/variables.rs`, and a test compares this page with them; `OLLAMAKE_REWRITE_DOCS=1 \
             cargo test --lib table`\n\
             writes it anew.\n",
        );
        for (title, entries) in sections() {
            write!(text, "\n## {title}\n\n| variable | default | bounds | |\n|---|---|---|---|\n").unwrap();
            for [name, default, bounds, meaning] in entries.iter().map(Entry::columns) {
                writeln!(text, "| `{name}` | {default} | {bounds} | {meaning} |").unwrap();
            }
        }
        text.push_str("\n## Limits that cannot be set\n\n| at most | of |\n|---:|---|\n");
        for (limit, meaning) in fixed_limits() {
            writeln!(text, "| {limit} | {meaning} |").unwrap();
        }
        text
    }

    #[test]
    fn the_table_says_what_is_declared() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
        if std::env::var_os(REWRITE).is_some() {
            std::fs::write(path, table()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == table(), "docs/settings.md is not what is declared; {REWRITE}=1 writes it anew");
    }

    #[test]
    fn numbers_are_shown_and_secrets_are_not() {
        let set = |name: &str| match name {
            "HOME" | "OLLAMA_MODELS" | "DOCKER_CONFIG" | "HF_HOME" | "HF_HUB_CACHE" => {
                Some("/some/where".to_owned())
            }
            "OLLAMAKE_API_KEY" | "OLLAMAKE_REGISTRY_USER" | "OLLAMAKE_REGISTRY_PASSWORD" | "HF_TOKEN" => {
                Some("s3cret".to_owned())
            }
            "OLLAMAKE_REGISTRY" => Some("registry.example".to_owned()),
            "HTTPS_PROXY" => Some("http://s3cret:s3cret@proxy.example".to_owned()),
            "OLLAMAKE_MAX_JOBS" => Some("7".to_owned()),
            _ => None,
        };
        let settings = Config::from_variables(set).unwrap().settings();
        let shown = serde_json::to_string(&settings).unwrap();
        for secret in ["s3cret", "/some/where", "proxy.example"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let value = |name: &str| settings.iter().find(|setting| setting.name == name).unwrap().value.clone();
        assert_eq!(value("OLLAMAKE_MAX_JOBS"), Some(crate::config::Shown::Number(7)));
        for (_, entries) in sections() {
            for entry in entries.iter().filter(|entry| matches!(entry, Entry::Number(_))) {
                assert!(value(entry.name()).is_some(), "{} is a number, and no secret", entry.name());
            }
        }
    }

    #[test]
    fn what_is_declared_is_read_and_nothing_else() {
        let asked = RefCell::new(BTreeSet::new());
        let config = Config::from_variables(|name| {
            asked.borrow_mut().insert(name.to_ascii_uppercase());
            (name == v::HOME.name).then(|| "/nowhere".to_owned())
        });
        config.unwrap();
        let elsewhere = v::CERTIFICATES.map(|row| row.name.to_owned());
        let asked: BTreeSet<String> = asked.into_inner().into_iter().chain(elsewhere).collect();
        let declared: BTreeSet<String> = sections()
            .iter()
            .flat_map(|(_, entries)| entries)
            .map(|entry| entry.columns()[0].clone())
            .collect();
        assert_eq!(asked, declared);
    }
}
