//! The store.

mod contract;
mod faults;
mod jobs;
mod keeping;
mod meanwhile;
mod names;
mod power;
mod random;
mod reading;
mod schedules;
mod sharing;
mod size_limit;
mod storm;
mod todays;
