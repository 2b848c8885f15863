//! Hostile input: each kind of attack that programs like this one have met has exactly one test that names
//! it.
//!
//! A kind is a row of [`ROWS`]. Most rows are data ([`cases`]): a server answers each case with the error
//! that it deserves, and nothing is left. The others need a scene of their own; the test that sets it says
//! "Hostile input: `row`." in its comment.

pub(crate) mod cases;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use cases::{Case, Input};
use ollamake::registry::hub::Hub;
use ollamake::store::PruneOptions;

use crate::socket::Listening;
use crate::support::files::files;

/// Where a row is tested.
#[derive(Debug, PartialEq, Eq)]
enum Tested {
    /// By cases.
    Here,
    /// By a test that says so.
    Elsewhere,
}
use Tested::{Elsewhere, Here};

/// Every kind of attack.
const ROWS: [(&str, Tested); 67] = [
    // HTTP
    ("dns-rebinding", Here),
    ("drive-by", Here),
    ("digest-as-path", Here),
    ("file-name-as-path", Here),
    ("missing-file", Here),
    ("mixed-formats", Here),
    ("nested-json", Here),
    ("huge-json", Here),
    ("outputs", Here),
    ("cut-off-upload", Elsewhere),
    ("slow-loris", Elsewhere),
    ("lying-length", Elsewhere),
    ("endless-upload", Elsewhere),
    ("wrong-digest", Here),
    ("upload-headers", Here),
    ("lying-upload", Here),
    ("push-paths", Here),
    ("pushed-manifests", Here),
    ("pushed-blobs", Here),
    ("pushed-layers", Here),
    ("deleted-blobs", Here),
    ("vanished-client", Elsewhere),
    ("panicking-job", Elsewhere),
    // GGUF
    ("gguf-truncation", Here),
    ("gguf-lengths", Here),
    ("gguf-counts", Here),
    ("gguf-arrays", Here),
    ("gguf-alignment", Here),
    ("gguf-keys", Here),
    ("gguf-shapes", Here),
    ("gguf-data", Here),
    ("gguf-names", Here),
    ("gguf-versions", Here),
    ("gguf-numbers", Here),
    ("gguf-shards", Here),
    // Checkpoints
    ("safetensors-header", Here),
    ("safetensors-entries", Here),
    ("safetensors-types", Here),
    ("configuration", Here),
    ("tokenizer-json", Here),
    ("tokenizer-model", Here),
    ("shard-index", Here),
    ("foreign-quantization", Here),
    // Quantization
    ("recipe", Here),
    ("importance-matrix", Here),
    // Templates
    ("templates", Here),
    // Stores
    ("store-entries", Here),
    ("store-lists", Here),
    ("store-layers", Here),
    ("store-damage", Here),
    ("provenance-record", Elsewhere),
    // Registries
    ("registry-digests", Here),
    ("registry-bombs", Here),
    ("packed-answer", Elsewhere),
    ("registry-detours", Here),
    ("stolen-credentials", Elsewhere),
    ("registry-downgrade", Elsewhere),
    ("trusted-certificate-of-another", Elsewhere),
    ("registry-inside", Elsewhere),
    ("registry-blobs", Here),
    ("registry-artifacts", Here),
    ("registry-shared-digest", Elsewhere),
    // Bundles
    ("bundle-entries", Here),
    ("bundle-contents", Here),
    // The Hub, and files beside the server
    ("hub-listings", Here),
    ("hub-files", Here),
    ("beside-outside", Elsewhere),
];

/// Sends the cases of a row to a server of their own.
async fn refuse(row: &'static str) {
    let cases: Vec<_> = cases::all().iter().filter(|case| case.row == row).collect();
    assert!(!cases.is_empty(), "{row} has no case");
    let mut server = Listening::new().await;
    for case in cases {
        let plants = matches!(case.input, Input::Store { .. });
        let hub = case.input.hub();
        if plants || hub.is_some() {
            server = Listening::with(|config| {
                if let Some(address) = hub {
                    config.registry.hub = Hub::new(&address, None).unwrap();
                }
            })
            .await;
        }
        let name = format!("{row}, {}", case.name);
        let (address, store) = (server.address.clone(), server.directory.path().to_owned());
        let sent = tokio::task::spawn_blocking(move || cases::send(&address, &store, case));
        let outcome = sent.await.unwrap();
        let answer = format!("{name}: {} {:.400}", outcome.status, outcome.body);
        assert_eq!(case.fault(&outcome), None, "{answer}");
        assert!(!outcome.body.contains(server.directory.path().to_str().unwrap()), "{answer}");
        assert!(outcome.body.len() < 4096 + case.input.length(), "{answer}");
        assert_eq!(server.unfinished(), Vec::<String>::new(), "{name}");
        if plants {
            // It may be named by what lies there.
            let report = server.store.prune(PruneOptions { grace: Duration::ZERO, dry_run: false }).unwrap();
            assert_eq!(report.blobs, [], "{name}");
            server.store.check(true, |_| {}).unwrap_or_else(|error| panic!("{name}: {error}"));
        } else {
            assert!(server.store.list().unwrap().is_empty(), "{name}");
        }
        if matches!(case.input, Input::Bundle(_)) {
            assert_eq!(server.store.account().unwrap().unnamed.files, 0, "{name}");
        }
    }
}

/// A plan is refused as the work is, or it is a plan; what only the weights tell is not known yet.
#[tokio::test]
async fn a_dry_run_of_any_of_it_is_refused_alike_or_is_a_plan_and_leaves_nothing() {
    let server = Listening::new().await;
    let (mut refused, mut planned) = (0, Vec::new());
    for case in cases::all() {
        let Some(case) = as_dry_run(case) else { continue };
        let name = format!("{}, {}", case.row, case.name);
        let (address, store) = (server.address.clone(), server.directory.path().to_owned());
        let (outcome, case) =
            tokio::task::spawn_blocking(move || (cases::send(&address, &store, &case), case)).await.unwrap();
        let answer = format!("{name}: {} {:.400}", outcome.status, outcome.body);
        match outcome.status {
            200 => {
                let outline: serde_json::Value = serde_json::from_str(&outcome.body).unwrap();
                assert!(outline["outputs"].is_array(), "{answer}");
                planned.push(name.clone());
            }
            _ => {
                assert_eq!(case.fault(&outcome), None, "{answer}");
                refused += 1;
            }
        }
        assert_eq!(server.unfinished(), Vec::<String>::new(), "{name}");
        assert!(server.store.list().unwrap().is_empty(), "{name}");
    }
    assert!(planned.len() * 4 < refused, "{refused} are refused, but these are planned: {planned:#?}");
}

/// The same as a dry run, if it is a create request with files.
fn as_dry_run(case: &Case) -> Option<Case> {
    let Input::Create { files, fields } = &case.input else { return None };
    let (files, mut fields) = (files.clone(), fields.clone());
    fields["dry_run"] = true.into();
    let (name, says) = (case.name.clone(), case.says.clone());
    Some(Case { row: case.row, name, input: Input::Create { files, fields }, status: case.status, says })
}

macro_rules! tested_here {
    ($($test:ident)*) => {
        $(#[tokio::test]
        async fn $test() {
            refuse(ROWS.iter().find(|(row, _)| row.replace('-', "_") == stringify!($test)).unwrap().0).await;
        })*

        const HERE: &[&str] = &[$(stringify!($test)),*];
    };
}

mod refused {
    use super::{ROWS, refuse};

    tested_here! {
        dns_rebinding drive_by digest_as_path file_name_as_path missing_file mixed_formats nested_json
        huge_json
        outputs
        wrong_digest upload_headers lying_upload push_paths pushed_manifests pushed_blobs pushed_layers
        deleted_blobs gguf_truncation gguf_lengths gguf_counts gguf_arrays gguf_alignment gguf_keys
        gguf_shapes
        gguf_data gguf_names gguf_versions gguf_numbers gguf_shards safetensors_header safetensors_entries
        safetensors_types configuration tokenizer_json tokenizer_model shard_index foreign_quantization recipe
        importance_matrix
        templates
        store_entries store_lists store_layers store_damage
        registry_digests registry_bombs registry_detours registry_blobs registry_artifacts
        bundle_entries bundle_contents hub_listings hub_files
    }

    pub(super) const TESTS: &[&str] = HERE;
}

#[test]
fn every_row_has_exactly_one_test_that_names_it() {
    let mut tests: BTreeMap<String, usize> = BTreeMap::new();
    for test in refused::TESTS {
        *tests.entry(test.replace('_', "-")).or_default() += 1;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = files(&root.join("tests/integration")).into_iter().chain(files(&root.join("src")));
    for file in all.filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let text = fs::read_to_string(&file).unwrap();
        // In pieces, or this would be one.
        let mark = ["/// Hostile input", ": `"].concat();
        for named in text.split(&mark).skip(1) {
            let (row, rest) = named.split_once("`.\n").expect("the end of a row's name");
            let next = rest.lines().find(|line| !line.trim_start().starts_with("///")).unwrap_or_default();
            assert!(next.contains("test"), "{row} is named by what is not a test in {}", file.display());
            *tests.entry(row.to_owned()).or_default() += 1;
        }
    }
    for (row, tested) in &ROWS {
        assert_eq!(tests.remove(*row), Some(1), "{row}");
        assert_eq!(refused::TESTS.contains(&&*row.replace('-', "_")), *tested == Here, "{row}");
    }
    assert!(tests.is_empty(), "unknown rows: {tests:?}");
    for case in cases::all() {
        assert!(ROWS.iter().any(|(row, _)| *row == case.row), "{}", case.row);
        // So that a bound on memory means something.
        assert!(case.input.length() < 1 << 20, "{}, {}: {} bytes", case.row, case.name, case.input.length());
    }
}
