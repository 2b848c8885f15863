//! The documentation: pages that are made of declarations say what these say, links lead somewhere, and the
//! index knows every page. (The examples in it are run by `tests/documents/run`.)

mod architectures;
mod command_line;
mod generated;
mod interface;
mod links;
mod schema;
mod types;
