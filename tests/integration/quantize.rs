//! Quantized files against those that llama-quantize makes, and mixtures against its choices.
//!
//! `mixtures.json` and `files.json` hold what llama-quantize chose and wrote; beside the fixtures stands how
//! they were made. A directory with the full data takes their place where there is one.

mod derived;
mod files;
mod fitting;
mod importance;
mod material;
mod mixtures;

use ollamake::gguf::{Metadata, Value};
use ollamake::quantize::{FileType, quantize};

use material::{copying, execute, expected, list, source_file};

#[test]
fn rounding_on_the_way_is_part_of_the_plan() {
    // Values of F32 planned as BF16 and then quantized are what a BF16 file of them would give.
    let files = expected("files.json");
    let model = &list(&files["models"])[0];
    let single = source_file(model, "f32");
    let half = source_file(model, "bf16");
    let mut plan = copying(&single);
    for (tensor, stored) in plan.tensors.iter_mut().zip(copying(&half).tensors) {
        tensor.element_type = stored.element_type;
    }
    plan.metadata = copying(&half).metadata;
    let on_the_way = execute(&quantize(plan, &FileType::F32.into(), None).unwrap().plan, &single).unwrap();
    let in_two_steps =
        execute(&quantize(copying(&half), &FileType::F32.into(), None).unwrap().plan, &half).unwrap();
    assert_eq!(on_the_way, in_two_steps);
    let never =
        execute(&quantize(copying(&single), &FileType::F32.into(), None).unwrap().plan, &single).unwrap();
    assert_ne!(never, in_two_steps);
}

#[test]
fn metadata_without_what_the_mixture_needs_are_refused() {
    let files = expected("files.json");
    let source = source_file(&list(&files["models"])[0], "f16");
    let with = |change: &dyn Fn(&mut Metadata)| {
        let mut plan = copying(&source);
        change(&mut plan.metadata);
        quantize(plan, &FileType::Q4_0.into(), None).unwrap_err().to_string()
    };
    let set = |key: &str, value: Value| with(&|metadata| metadata.set(key, value.clone()));
    assert_eq!(
        with(&|metadata| drop(metadata.remove("general.architecture"))),
        "key \"general.architecture\" is missing"
    );
    assert_eq!(
        with(&|metadata| drop(metadata.remove("llama.block_count"))),
        "key \"llama.block_count\" is missing"
    );
    for absurd in [0, 513, u32::MAX] {
        let message = set("llama.block_count", absurd.into());
        assert_eq!(message, format!("llama.block_count is {absurd}, expected 1 to 512"));
    }
    assert!(set("llama.block_count", (-1).into()).contains("expected an integer from 0"));
    assert!(set("llama.block_count", "two".into()).contains("expected an integer from 0"));
    assert!(set("general.architecture", 7_u32.into()).contains("expected a string"));
    assert!(set("llama.attention.head_count", 1.5_f32.into()).contains("expected an integer from 0"));
}
