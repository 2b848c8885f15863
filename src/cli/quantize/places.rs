//! What is quantized to what, and where the result goes: `IN [OUT] TYPE [THREADS]`, as llama-quantize takes
//! it.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::quantize::{FileType, Target};

/// The arguments that are not options.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The model: a file, any of its files if it is split, or a directory.
    pub(super) input: PathBuf,
    /// Where the result goes, if that is said.
    output: Option<PathBuf>,
    /// What the model becomes.
    pub(super) target: Target,
    /// What the result is called where nothing is said of it.
    target_name: String,
    /// Threads to compute with.
    pub(super) threads: Option<NonZeroUsize>,
}

const ID: &str = "places";
const ENDING: &str = ".gguf";

impl Places {
    /// Where the result goes: what was given, or `ggml-model-TYPE.gguf` beside the source.
    pub(super) fn output(&self) -> PathBuf {
        let beside = || {
            let directory =
                if self.input.is_dir() { Some(self.input.as_path()) } else { self.input.parent() };
            directory.unwrap_or(Path::new("")).join(format!("ggml-model-{}{ENDING}", self.target_name))
        };
        self.output.clone().unwrap_or_else(beside)
    }

    /// What the files of a split result have before their numbers.
    pub(super) fn split_output(&self) -> PathBuf {
        let output = self.output();
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        output.with_file_name(name.strip_suffix(ENDING).unwrap_or(&name))
    }

    fn new(words: &[PathBuf]) -> Result<Self, String> {
        let named = |word: &Path| {
            let word = word.to_string_lossy();
            word.parse::<Target>().map(|target| (target, name_of(&word, target)))
        };
        let (output, target, rest) = match words {
            [_, second, rest @ ..] if named(second).is_ok() => (None, named(second), rest),
            [_, output, third, rest @ ..] => (Some(output.clone()), named(third), rest),
            [_, second, ..] => (None, named(second), &[][..]),
            _ => return Err("expected IN [OUT] TYPE [THREADS]".to_owned()),
        };
        let (target, target_name) = target.map_err(|error| error.to_string())?;
        let threads = match rest {
            [] => None,
            [threads] => {
                let threads = threads.to_string_lossy();
                let count = threads.parse().map_err(|_| format!("{threads:?} is not a number of threads"))?;
                NonZeroUsize::new(count)
            }
            [_, unexpected, ..] => return Err(format!("unexpected argument {unexpected:?}")),
        };
        Ok(Self { input: words[0].clone(), output, target, target_name, threads })
    }
}

/// The name that llama-quantize gives a result: the one that was given, and for a number the first in its
/// list.
fn name_of(given: &str, target: Target) -> String {
    let is_number = given.bytes().all(|byte| byte.is_ascii_digit());
    match target {
        _ if !is_number => given.to_ascii_uppercase(),
        Target::Type(file_type @ (FileType::Q3KM | FileType::Q4KM | FileType::Q5KM)) => {
            file_type.name().trim_end_matches("_M").to_owned()
        }
        target => target.name().to_owned(),
    }
}

impl Args for Places {
    fn augment_args(command: Command) -> Command {
        let places = Arg::new(ID)
            .required(true)
            .num_args(2..=4)
            .value_parser(value_parser!(PathBuf))
            .value_names(["IN", "OUT", "TYPE", "THREADS"])
            .help(
                "The words are IN [OUT] TYPE [THREADS]. IN is the model: a GGUF file, one of the files of a \
                 split model, or a directory with a checkpoint. OUT is the file to write, which is replaced \
                 if it exists; without it, ggml-model-TYPE.gguf beside the model. TYPE is Q4_K_M, IQ4_XS, F16, \
                 COPY and so on, in any case. THREADS is how many compute",
            );
        // By themselves, these names would say that OUT cannot be left out and that TYPE can.
        command.override_usage("ollamake quantize [OPTIONS] <IN> [OUT] <TYPE> [THREADS]").arg(places)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Places {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let words: Vec<PathBuf> = matches.get_many(ID).into_iter().flatten().cloned().collect();
        Self::new(&words).map_err(|problem| clap::Error::raw(ErrorKind::ValueValidation, problem + "\n"))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(words: &str) -> Result<Places, String> {
        Places::new(&words.split(' ').map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_result_is_named_as_the_reference_names_it() {
        for (words, output) in [
            ("a/in.gguf q4_k_m", "a/ggml-model-Q4_K_M.gguf"),
            ("in.gguf q4_k 3", "ggml-model-Q4_K.gguf"),
            ("in.gguf 15", "ggml-model-Q4_K.gguf"),
            ("in.gguf 2", "ggml-model-Q4_0.gguf"),
            ("in.gguf copy", "ggml-model-COPY.gguf"),
            ("in.gguf b/out.gguf Q8_0 0", "b/out.gguf"),
        ] {
            assert_eq!(places(words).unwrap().output(), Path::new(output), "{words}");
        }
        let places = places("in.gguf out.gguf iq4_xs 3").unwrap();
        assert_eq!(places.threads.map(NonZeroUsize::get), Some(3));
        assert_eq!(places.split_output(), Path::new("out"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (words, says) in [
            ("in.gguf out.gguf", "unknown quantization type \"out.gguf\""),
            ("in.gguf out.gguf Q9", "unknown quantization type \"Q9\""),
            ("in.gguf q8_0 many", "\"many\" is not a number of threads"),
            ("in.gguf q8_0 1 2", "unexpected argument \"2\""),
        ] {
            let message = places(words).unwrap_err();
            assert!(message.contains(says), "{words}: {message}");
        }
    }
}
