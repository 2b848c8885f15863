//! The store.

mod contract;
pub(crate) mod faults;
mod importing;
mod jobs;
mod keeping;
mod meanwhile;
mod names;
mod outputs;
mod power;
mod power_of_jobs;
mod random;
mod reading;
mod records;
mod schedules;
mod sharing;
mod size_limit;
mod storm;
mod todays;
mod uploads;
