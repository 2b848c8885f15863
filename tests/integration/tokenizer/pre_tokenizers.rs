//! Pre.
