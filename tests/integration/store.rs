//! The store.

mod contract;
mod faults;
mod power;
mod sharing;
mod storm;
