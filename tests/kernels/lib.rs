//! The two lowest rooms of the program.

#![allow(dead_code, unused_imports, reason = "the rooms above need more of them")]

#[path = "../../src/model/mod.rs"]
pub mod model;
#[path = "../../src/tensor/mod.rs"]
pub mod tensor;
