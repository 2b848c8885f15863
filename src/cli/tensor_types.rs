//! `--tensor-type` and `--tensor-type-file`, in the order in which they are given: the first pattern that
//! matches decides.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

/// The options as they were given.
#[derive(Debug, Clone, Default)]
pub(super) struct TensorTypes(pub(super) Vec<Given>);

/// One of them.
#[derive(Debug, Clone)]
pub(super) enum Given {
    /// `PATTERN=TYPE`.
    Word(String),
    /// A file of such words.
    File(PathBuf),
}

const WORD: &str = "tensor_type";
const FILE: &str = "tensor_type_file";

impl Args for TensorTypes {
    fn augment_args(command: Command) -> Command {
        let word =
            Arg::new(WORD).long("tensor-type").value_name("PATTERN=TYPE").action(ArgAction::Append).help(
                "Give TYPE to the tensors whose names match the regular expression PATTERN; the first that \
                 matches decides",
            );
        let file = Arg::new(FILE)
            .long("tensor-type-file")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .action(ArgAction::Append)
            .help("Read PATTERN=TYPE from a file of them, separated by white space");
        command.arg(word).arg(file)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TensorTypes {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let words = matches.get_many::<String>(WORD).into_iter().flatten().cloned().map(Given::Word);
        let files = matches.get_many::<PathBuf>(FILE).into_iter().flatten().cloned().map(Given::File);
        let places = |name| matches.indices_of(name).into_iter().flatten();
        let mut given: Vec<_> = places(WORD).zip(words).chain(places(FILE).zip(files)).collect();
        given.sort_by_key(|(place, _)| *place);
        Ok(Self(given.into_iter().map(|(_, given)| given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
