//! What stands in the record of a job, line by line.
//!
//! The first line says what was asked for. Others follow when it is known what else the job needs, when it
//! goes on after an interruption, and when it ends. A later line about the same counts.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::id::JobId;
use super::state::{Kind, Standing, State};
use super::summary::Summary;
use crate::create::{Owed, Product, Stage};
use crate::model::{Digest, Name};
use crate::store::RecordLine;

/// What was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) model: String,
    #[serde(with = "nanoseconds")]
    pub(super) asked: SystemTime,
    pub(super) detached: bool,
    /// The request as it was given, but for what it says of the answer.
    pub(super) request: Box<RawValue>,
    pub(super) needs: Vec<Digest>,
}

/// What is known of a job later.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Further {
    /// More that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) needs: Vec<Digest>,
    /// It goes on without anybody who follows it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) detached: bool,
    /// Its models are there, and only these are to be published still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) owed: Vec<Owed>,
}

/// How it ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) state: State,
    pub(super) stage: Stage,
    #[serde(with = "some_nanoseconds")]
    pub(super) began: Option<SystemTime>,
    #[serde(with = "some_nanoseconds")]
    pub(super) ended: Option<SystemTime>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) warnings: u64,
    pub(super) events: u64,
    pub(super) error: Option<String>,
    pub(super) products: Vec<Product>,
    /// The lines that its readers were told, with the numbers of their events.
    pub(super) said: Vec<(u64, String)>,
    /// The line that told how it ended.
    pub(super) last: String,
}

/// All that a record says.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) asked: Asked,
    pub(super) owed: Vec<Owed>,
    pub(super) ended: Option<Ended>,
}

impl Contents {
    /// What the lines of a record say; nothing if they are not those of one.
    pub(super) fn parse(lines: &[RecordLine]) -> Option<Self> {
        let (first, rest) = lines.split_first()?;
        let mut asked: Asked = serde_json::from_str(&first.text).ok()?;
        let (mut owed, mut ended) = (Vec::new(), None);
        for line in rest {
            if let Ok(end) = serde_json::from_str::<Ended>(&line.text) {
                ended = Some(end);
                continue;
            }
            let further: Further = serde_json::from_str(&line.text).ok()?;
            asked.needs.extend(further.needs);
            asked.detached |= further.detached;
            if !further.owed.is_empty() {
                owed = further.owed;
            }
            ended = None;
        }
        Some(Self { asked, owed, ended })
    }

    /// What is told of the job; nothing if its model has no valid name.
    pub(super) fn summary(&self, id: JobId) -> Option<Summary> {
        let Asked { kind, model, asked, detached, .. } = &self.asked;
        let model: Name = model.parse().ok()?;
        let ended = self.ended.clone().unwrap_or_else(Ended::unknown);
        Some(Summary {
            id,
            kind: *kind,
            model,
            is_detached: *detached,
            asked: *asked,
            standing: Standing {
                state: ended.state,
                stage: ended.stage,
                began: ended.began,
                ended: ended.ended,
            },
            bytes_in: ended.bytes_in,
            bytes_out: ended.bytes_out,
            warnings: ended.warnings,
            events: ended.events,
            error: ended.error,
            products: ended.products,
        })
    }
}

impl Ended {
    pub(super) fn of(summary: &Summary, said: Vec<(u64, String)>, last: String) -> Self {
        Self {
            state: summary.standing.state,
            stage: summary.standing.stage,
            began: summary.standing.began,
            ended: summary.standing.ended,
            bytes_in: summary.bytes_in,
            bytes_out: summary.bytes_out,
            warnings: summary.warnings,
            events: summary.events,
            error: summary.error.clone(),
            products: summary.products.clone(),
            said,
            last,
        }
    }

    /// The end of a job whose process ended without a word.
    pub(super) fn unknown() -> Self {
        Self {
            state: State::Interrupted,
            stage: Stage::Finish,
            began: None,
            ended: Some(SystemTime::now()),
            bytes_in: 0,
            bytes_out: 0,
            warnings: 0,
            events: 0,
            error: Some("the server ended before the job did".to_owned()),
            products: Vec::new(),
            said: Vec::new(),
            last: String::new(),
        }
    }
}

/// Times as nanoseconds since 1970.
mod nanoseconds {
    use super::*;

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        some_nanoseconds::serialize(&Some(*time), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let nanoseconds = u64::deserialize(deserializer)?;
        Ok(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds))
    }
}

/// The same of a time that may not have come.
mod some_nanoseconds {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let nanoseconds = |time: &SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        };
        time.as_ref().map(nanoseconds).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        let nanoseconds = Option::<u64>::deserialize(deserializer)?;
        Ok(nanoseconds.map(|nanoseconds| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)))
    }
}
