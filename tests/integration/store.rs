//! The store.

mod contract;
mod faults;
mod jobs;
mod meanwhile;
mod power;
mod schedules;
mod sharing;
mod size_limit;
mod storm;
