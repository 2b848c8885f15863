//! The corpora of the fuzz targets, run as tests: what was found once is not found again.

mod targets;

use std::fs;
use std::path::Path;

use crate::support::files::fixture;

/// Runs every file of a target's corpus; says which one it was when one fails.
fn replay(target: &str) {
    let mut files: Vec<_> =
        fs::read_dir(fixture("fuzz").join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "the corpus of {target} has only {} files", files.len());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let run = std::panic::catch_unwind(|| targets::run(target, &bytes));
        assert!(run.is_ok(), "{} fails", file.display());
    }
}

macro_rules! replays {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        #[test]
        fn every_target_has_a_test_and_a_program() {
            let tested = [$(stringify!($target)),*];
            assert_eq!(targets::TARGETS.map(|(name, _)| name), tested);
            let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
            for target in tested {
                assert!(programs.join(format!("{target}.rs")).is_file(), "{target}");
                assert!(fixture("fuzz").join(target).is_dir(), "{target}");
            }
        }
    };
}

mod replayed {
    use super::*;

    replays! {
        bundle checkpoint create_request digest gguf hub imatrix manifest modelfile name recipe registry
        safetensors template tokenizer_json tokenizer_model
    }
}
