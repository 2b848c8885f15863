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
//! | `job`, `state` | what is known of a job |
//! | `table`, `run` | all jobs, and how one of them goes from stage to stage |

mod error;
mod event;
mod job;
mod log;
mod run;
mod state;
mod subscription;
mod table;
mod thread;
mod turns;
mod work;

pub use error::JobError;
pub use event::Event;
pub use job::{InvalidJobId, Job, JobId, Order, Standing};
pub use log::Outcome;
pub use state::{Kind, State};
pub use subscription::{News, Subscription};
pub use table::{Capacity, Jobs};
pub use turns::QueueIsFull;
pub use work::{Once, Work};
