//! One create job: gather the sources, plan, execute, attach layers, write the manifest.
//!
//! A [`Request`] is what a client asks for. [`Workshop::prepare`] checks everything that can be known
//! beforehand and makes a [`Job`] of it; [`Job::advance`] does the work stage by stage, tells a [`Monitor`]
//! about it in [`Event`]s, and stops when it is cancelled. Whatever happens, the store holds the old model or
//! the new one, and nothing half-made.

mod adapter;
mod artifact;
mod assembly;
mod attachments;
mod away;
mod base;
mod base_layer;
mod beginning;
mod distances;
mod error;
mod estimate;
mod event;
mod fetch;
mod file_name;
mod files;
mod gathering;
mod hub;
mod info;
mod input;
mod job;
mod layers;
mod making;
mod measuring;
mod merging;
mod monitor;
mod outline;
mod output;
mod pace;
mod part;
mod planned_file;
mod prepare;
mod provenance;
mod publishing;
mod quantization;
mod recall;
mod remake;
mod remote;
mod request;
mod shards;
mod sharing;
mod stage;
mod turn;
mod uploads;
mod usage;
mod wanted;
mod watch;
mod workshop;

pub(crate) use beginning::{BEGINNING, Impostor, known_kind};
pub(crate) use distances::relative_distances;
pub use error::{CreateError, OutputOutcome};
pub use estimate::Estimate;
pub use event::{Action, Conversion, Event};
pub use fetch::{fetch, publish};
pub use file_name::{FileName, InvalidFileName};
pub use files::Files;
pub use info::Info;
pub use job::{Job, Left};
pub use monitor::Monitor;
pub use outline::{Outline, OutlinedLayer, OutlinedModel, OutlinedSource, OutlinedTensor};
pub use provenance::Provenance;
pub use publishing::{Owed, Publishing};
pub use quantization::Quantization;
pub use remake::Verdict;
pub use remote::{InvalidRemote, remote_url};
pub use request::{LONGEST_SETTING, Request};
pub use sharing::Sharing;
pub use stage::Stage;
pub use usage::{Phase, Product, Usage};
pub use wanted::{Outputs, Wanted};
pub use workshop::Workshop;
