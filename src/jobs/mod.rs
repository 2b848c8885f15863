//! Jobs: what runs longer than a request takes to ask for it.
//!
//! A job is a row of stages. Each waits for its own turn and runs on a thread of its own, apart from the
//! connection that asked for the job; what happens is kept in a log that any number of readers follow at
//! their own pace. The job stops when the last of them goes. `docs/design/jobs.md` says why it is so.
//!
//! | file | its idea |
//! |---|---|
//! | `work` | what a job does, stage by stage |
//! | `turns`, `thread` | when a stage runs, and on what |
//! | `event`, `log`, `subscription` | what a job tells, and who follows it |
//! | `id`, `job`, `state`, `summary` | what is known of a job |
//! | `record`, `recording`, `past` | what is known of it when its process is no more |
//! | `jobs`, `table` | all jobs, and which there are |
//! | `run`, `going_on` | how a job goes from stage to stage, and on after an interruption |

mod error;
mod event;
mod going_on;
mod id;
mod job;
#[expect(clippy::module_inception, reason = "all jobs together are what the room is about")]
mod jobs;
mod log;
mod past;
mod record;
mod recording;
mod run;
mod state;
mod subscription;
mod summary;
mod table;
mod thread;
mod turns;
mod work;

pub use error::JobError;
pub use event::Event;
pub use id::{InvalidJobId, JobId};
pub use job::{Job, Order};
pub use jobs::{Capacity, Jobs, Refusal, Told, Voice};
pub use log::Outcome;
pub use past::{Claimed, Said, Unclaimed};
pub use state::{Kind, Standing, State};
pub use subscription::{News, Subscription};
pub use summary::Summary;
pub use table::Found;
pub use turns::QueueIsFull;
pub use work::{Once, Work};
