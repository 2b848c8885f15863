//! Start: arguments, logging, exit code.

fn main() {}
