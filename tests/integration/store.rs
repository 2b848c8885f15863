//! The store.

mod contract;
mod sharing;
