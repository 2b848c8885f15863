//! Which of the files of a directory, or of a repository, make up a model, by their names.

use std::collections::BTreeMap;

use super::checkpoint::{is_description, is_module};
use crate::gguf::ShardName;

/// So many names are shown where one has to be chosen.
const MOST_SHOWN: usize = 8;

/// Why no files make up a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum Unselectable {
    /// Nothing is of a kind that a model can be made from.
    #[error("no model here: expected *.safetensors or *.gguf files")]
    Nothing,
    /// Weights that only Python can read.
    #[error("PyTorch pickle files such as {0:?} are not read; convert the checkpoint to safetensors first")]
    Pickle(String),
    /// A type is named where no file could have it.
    #[error(
        "there are no GGUF files, whose types can be named; give the type to quantize to as quantize (-q)"
    )]
    NoGguf,
    /// No GGUF file has this type, by its name.
    #[error("no GGUF file has {quantization:?} in its name; there are {}", shown(.known))]
    NoSuchType { quantization: String, known: Vec<String> },
    /// GGUF files of several models.
    #[error("there are several models, {}; name the type of one", shown(.0))]
    Several(Vec<String>),
    /// More files than are taken.
    #[error("{got} files would be needed, and {limit} are taken at most")]
    TooMany {
        got: usize,
        /// The most.
        limit: usize,
    },
}

fn shown(names: &[String]) -> String {
    let more = if names.len() > MOST_SHOWN { " and more" } else { "" };
    format!("{}{more}", names[..names.len().min(MOST_SHOWN)].join(", "))
}

/// The files of a checkpoint, or, where there is none, all GGUF files, in the order of their names. Names are
/// paths below the directory, with slashes; what lies deeper than the pooling's configuration, further
/// chat templates and dense modules, one level down, is not looked at.
///
/// # Errors
/// There is no model.
pub fn select<'n>(names: &[&'n str]) -> Result<Vec<&'n str>, Unselectable> {
    let is_near = |name: &&&str| match name.split_once('/') {
        None => !name.starts_with('.'),
        Some((folder, file)) => {
            let is_hidden = folder.starts_with('.') || file.starts_with('.');
            !is_hidden && !file.contains('/') && (is_description(name) || is_module(name))
        }
    };
    let mut names: Vec<&str> = names.iter().filter(is_near).copied().collect();
    if names.iter().any(|name| name.ends_with(".safetensors")) {
        // Some repositories carry the weights a second time in the vendor's own layout.
        let is_vendors = |name: &str| name.starts_with("consolidated");
        let standard = names.iter().any(|name| is_weights(name) && !is_vendors(name));
        names.retain(|name| {
            is_weights(name) && !(standard && is_vendors(name)) || is_module(name) || is_description(name)
        });
    } else {
        if let Some(pickle) = names.iter().find(|name| is_pickle(name))
            && !names.iter().any(|name| name.ends_with(".gguf"))
        {
            return Err(Unselectable::Pickle((*pickle).to_owned()));
        }
        names.retain(|name| name.ends_with(".gguf"));
    }
    if names.is_empty() {
        return Err(Unselectable::Nothing);
    }
    names.sort_unstable();
    Ok(names)
}

/// The GGUF files of one model of a repository that may have it in several types, each perhaps in shards,
/// with the type in their names; and its projector, if there is one alone.
///
/// # Errors
/// There is no such model, or more than one.
pub fn select_gguf<'n>(names: &[&'n str], quantization: Option<&str>) -> Result<Vec<&'n str>, Unselectable> {
    let mut models: BTreeMap<&str, Vec<&'n str>> = BTreeMap::new();
    let mut projectors = Vec::new();
    for name in names.iter().copied().filter(|name| name.ends_with(".gguf")) {
        let lower = name.to_ascii_lowercase();
        if lower.contains("mmproj") {
            projectors.push(name);
        } else if !lower.contains("imatrix") {
            models.entry(ShardName::parse(name).map_or(name, |shard| shard.model)).or_default().push(name);
        }
    }
    if models.is_empty() {
        return Err(quantization.map_or(Unselectable::Nothing, |_| Unselectable::NoGguf));
    }
    let known = |models: &BTreeMap<&str, Vec<&str>>| models.keys().map(|&name| name.to_owned()).collect();
    if let Some(quantization) = quantization {
        let all = known(&models);
        models.retain(|name, _| has_word(name, quantization));
        if models.is_empty() {
            return Err(Unselectable::NoSuchType { quantization: quantization.to_owned(), known: all });
        }
    }
    match models.pop_first() {
        Some((_, mut files)) if models.is_empty() => {
            if let [projector] = projectors[..] {
                files.push(projector);
            }
            files.sort_unstable();
            Ok(files)
        }
        Some((name, files)) => {
            models.insert(name, files);
            Err(Unselectable::Several(known(&models)))
        }
        None => Err(Unselectable::Nothing),
    }
}

/// Whether a name has a word in it that nothing goes on behind or before: `Q4_K` is not in `Q4_K_M`.
fn has_word(name: &str, word: &str) -> bool {
    let (name, word) = (name.to_ascii_uppercase(), word.to_ascii_uppercase());
    let goes_on =
        |character: Option<char>| character.is_some_and(|next| next.is_alphanumeric() || next == '_');
    name.match_indices(&word).any(|(start, _)| {
        !goes_on(name[..start].chars().next_back()) && !goes_on(name[start + word.len()..].chars().next())
    })
}

/// Whether a file holds weights of the model itself, by its name.
fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors") && !is_module(name)
}

fn is_pickle(name: &str) -> bool {
    name.ends_with(".pth")
        || name.ends_with(".pt")
        || name.starts_with("pytorch_model") && name.ends_with(".bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_its_weights_and_descriptions() {
        let files = [
            "1_Pooling/config.json",
            "2_Dense/model.safetensors",
            "README.md",
            "additional_chat_templates/tool_use.jinja",
            "chat_template.jinja",
            "config.json",
            "merges.txt",
            "model.safetensors",
            "sentencepiece.bpe.model",
            "tokenizer.model",
            "vocab.txt",
        ];
        let others = [
            ".cache/x.json",
            ".gitattributes",
            "a.png",
            "m.gguf",
            "onnx/model.safetensors",
            "onnx/vocab.txt",
            "a/b/config.json",
        ];
        assert_eq!(select(&[&files[..], &others].concat()).unwrap(), files);
    }

    #[test]
    fn weights_in_two_layouts_are_taken_once() {
        let files = ["consolidated.safetensors", "model.safetensors"];
        assert_eq!(select(&files).unwrap(), ["model.safetensors"]);
        assert_eq!(select(&files[..1]).unwrap(), ["consolidated.safetensors"]);
    }

    #[test]
    fn what_is_no_model_is_refused() {
        assert_eq!(select(&["a.txt"]), Err(Unselectable::Nothing));
        assert_eq!(select_gguf(&["mmproj.gguf"], None), Err(Unselectable::Nothing));
        assert!(matches!(select(&["pytorch_model.bin"]), Err(Unselectable::Pickle(_))));
    }

    #[test]
    fn one_of_several_types_is_chosen_by_name() {
        let names = [
            "m-Q4_K_M.gguf",
            "m-Q4_K_S.gguf",
            "m-q8_0.gguf",
            "BF16/m-BF16-00001-of-00002.gguf",
            "BF16/m-BF16-00002-of-00002.gguf",
            "mmproj-F16.gguf",
            "imatrix.gguf",
        ];
        let chosen = |quantization| select_gguf(&names, Some(quantization));
        assert_eq!(chosen("Q4_K_M").unwrap(), ["m-Q4_K_M.gguf", "mmproj-F16.gguf"]);
        assert_eq!(chosen("Q8_0").unwrap(), ["m-q8_0.gguf", "mmproj-F16.gguf"]);
        assert_eq!(chosen("bf16").unwrap(), [names[3], names[4], "mmproj-F16.gguf"]);
        assert!(matches!(chosen("Q4_K"), Err(Unselectable::NoSuchType { .. })));
        assert!(matches!(select_gguf(&names, None), Err(Unselectable::Several(names)) if names.len() == 4));
        assert_eq!(select_gguf(&names[..1], None).unwrap(), ["m-Q4_K_M.gguf"]);
    }
}
