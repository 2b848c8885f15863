//! The store.

mod contract;
