#![no_main]

#[path = "../../tests/integration/fuzz/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(
    // A library that panics is caught, so only panics that are not caught count.
    init: std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))),
    |bytes: &[u8]| targets::run("tokenizer_json", bytes)
);
