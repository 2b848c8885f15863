//! How a setting is declared: once, for the code that reads it and for the table that documents it.

use std::num::NonZeroUsize;

use super::error::ConfigError;

/// Looks up a variable of the environment.
pub(super) type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// A row of the table of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// What holds if the variable is not set, for people.
    pub(super) default: &'static str,
    pub(super) meaning: &'static str,
}

/// A variable that holds a whole number within bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) name: &'static str,
    pub(super) default: Default,
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) unit: Unit,
    pub(super) meaning: &'static str,
}

/// What a number is if the variable is not set.
#[derive(Debug, Clone, Copy)]
pub(super) enum Default {
    Is(u64),
    /// As many as the processor has cores, or as this process may use.
    Cores,
    /// There is no bound.
    Unbounded,
}

/// What stands for a bound that there is not.
pub(super) const UNBOUNDED: &str = "no limit";

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Things,
    Bytes,
    Seconds,
}

/// The text of a variable without blanks and quotation marks around it, or nothing if none is left.
pub(super) fn text(lookup: Lookup<'_>, name: &str) -> Option<String> {
    let value = lookup(name)?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

impl Number {
    /// The same within other bounds.
    pub(super) const fn within(self, least: u64, most: u64) -> Self {
        Self { least, most, ..self }
    }

    pub(super) fn read(&self, lookup: Lookup<'_>) -> Result<u64, ConfigError> {
        let Some(value) = text(lookup, self.name) else { return Ok(self.default()) };
        match value.parse() {
            Ok(number) if (self.least..=self.most).contains(&number) => Ok(number),
            _ => {
                let (name, of, least, most) = (self.name, self.unit.of(), self.least, self.most);
                Err(ConfigError::OutOfBounds { name, value, of, least, most })
            }
        }
    }

    /// The same where it counts things in memory.
    pub(super) fn read_count(&self, lookup: Lookup<'_>) -> Result<usize, ConfigError> {
        Ok(usize::try_from(self.read(lookup)?).unwrap_or(usize::MAX))
    }

    pub(super) fn default(&self) -> u64 {
        match self.default {
            Default::Is(number) => number,
            Default::Cores => std::thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64,
            Default::Unbounded => u64::MAX,
        }
    }
}

impl Unit {
    /// What follows `a whole number` where one is asked for.
    fn of(self) -> &'static str {
        match self {
            Self::Things => "",
            Self::Bytes => " of bytes",
            Self::Seconds => " of seconds",
        }
    }

    /// A number for people.
    pub(super) fn show(self, number: u64) -> String {
        const PREFIXES: [(u64, &str); 6] =
            [(60, "EiB"), (50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        match self {
            Self::Things => number.to_string(),
            Self::Seconds => format!("{number} s"),
            Self::Bytes => {
                let whole = |(shift, _): &&(u64, &str)| number > 0 && number.is_multiple_of(1 << shift);
                match PREFIXES.iter().find(whole) {
                    Some((shift, prefix)) => format!("{} {prefix}", number >> shift),
                    None => format!("{number} B"),
                }
            }
        }
    }
}
