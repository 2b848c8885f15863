#![no_main]

#[path = "../../tests/integration/fuzz/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::run("registry", bytes));
