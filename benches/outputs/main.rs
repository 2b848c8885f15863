//! Five models from one request against five requests, and against what only the outputs cost.
//!
//! `cargo bench --bench outputs [-- CHECKPOINT]` makes the random Llama of 1.1 billion weights that the
//! benchmark of conversion has too, puts its files into a store, and has whole create jobs make Q4_K_M,
//! Q5_K_M, Q6_K, Q8_0 and IQ4_XS of it: all in one request, and each in one of its own. Beside that, in the
//! same run, it accounts for what no way of reading the source can save: the processor time of encoding as
//! many numbers in these types, of hashing and of writing as many bytes. The numbers that are encoded are in
//! memory already. Each run is a process of its own; of the jobs, the median of three runs counts.

#[path = "../convert/checkpoint.rs"]
mod checkpoint;
#[path = "../support/safetensors_header.rs"]
mod safetensors_header;
#[path = "../support/mod.rs"]
mod support;
#[path = "../convert/vocabulary.rs"]
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;
use std::time::Instant;

use ollamake::convert::{OutputType, checkpoint as convert};
use ollamake::create::{Files, Monitor, Outputs, Quantization, Request, Usage, Wanted, Workshop};
use ollamake::plan::{Plan, Resources};
use ollamake::quantize::{FileType, quantize};
use ollamake::registry;
use ollamake::safetensors::NamedSource;
use ollamake::store::Store;
use ollamake::tensor;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use support::process::{Figures, map, observe, print_heading, print_verdict};
use support::random::write_weights;

/// Tells a process of this program that it is the one measured, and what it shall do.
const MEASURED: &str = "OLLAMAKE_BENCH_ROLE";

/// Tells it which blob each file of the checkpoint is, as JSON: whoever creates has uploaded them and knows.
const FILES: &str = "OLLAMAKE_BENCH_FILES";

const TYPES: [FileType; 5] = [FileType::Q4KM, FileType::Q5KM, FileType::Q6K, FileType::Q8_0, FileType::Iq4Xs];

/// How much longer than the outputs alone one request may take.
const MOST: f64 = 1.15;

fn main() {
    let paths: Vec<PathBuf> =
        std::env::args_os().skip(1).filter(|path| path != "--bench").map(PathBuf::from).collect();
    match std::env::var(MEASURED).as_deref() {
        Ok("together") => return request(&paths[1], &[&TYPES]),
        Ok("apart") => return request(&paths[1], &TYPES.each_ref().map(std::slice::from_ref)),
        Ok("encode") => return plans(&paths[0]).iter().for_each(encode),
        Ok("hash") => return hash(bytes(&paths[0])),
        Ok("write") => return write(&paths[0], &paths[1]),
        _ => {}
    }
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("convert");
    let model = paths.first().cloned().unwrap_or_else(|| directory.join("random-1b"));
    if !model.exists() {
        let start = Instant::now();
        let weights = checkpoint::write(&model).expect("write the checkpoint");
        println!("made a checkpoint of {weights} weights in {:.1?}", start.elapsed());
    }
    let store = tempfile::tempdir_in(&directory).expect("a directory for the store");
    let named = fill(&model, store.path());
    let measured = |role: &str| measured(role, &model, store.path(), &named);

    print_heading();
    let encoding = measured("encode");
    let hashing = measured("hash");
    let writing = measured("write");
    for (label, figures) in [("encoding", &encoding), ("hashing", &hashing), ("writing", &writing)] {
        figures.print("five", label);
    }
    let together = median(|| measured("together"));
    together.print("five", "in one request");
    let apart = median(|| measured("apart"));
    apart.print("five", "in five requests");

    let cores = available_parallelism().expect("a number of cores").get();
    let least = (encoding.processor + hashing.processor + writing.processor) / cores as f64;
    let verdict = |is_met: bool| if is_met { "met" } else { "MISSED" };
    print_verdict("five", "same models", if together.said == apart.said { "yes" } else { "NO" });
    print_verdict("five", "one / five requests", format!("{:.2}", together.wall / apart.wall));
    print_verdict("five", "demanded: below 1.00", verdict(together.wall < apart.wall));
    print_verdict("five", "outputs' CPU / cores, s", format!("{least:.2}"));
    print_verdict("five", "one / that", format!("{:.2}", together.wall / least));
    print_verdict("five", "demanded: at most 1.15", verdict(together.wall <= MOST * least));
    print_verdict(
        "five",
        "memory, one / five",
        format!("{:.2}", together.anonymous as f64 / apart.anonymous as f64),
    );
}

/// Puts the files of a checkpoint into a store; gives their names and digests.
fn fill(model: &Path, store: &Path) -> BTreeMap<String, String> {
    let store = Store::open(store).expect("a store");
    let mut named = BTreeMap::new();
    for path in files(model) {
        let mut writer = store.create_blob();
        std::io::copy(&mut File::open(&path).expect("a file"), &mut writer).expect("store the file");
        let committed = writer.commit(None).expect("commit the blob");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        named.insert(name, committed.blob.digest().to_string());
    }
    named
}

/// What the process under measurement does: jobs, one after the other, each of which makes models of these
/// types. Prints the models' digests.
fn request(store: &Path, requests: &[&[FileType]]) {
    let store = Store::open(store).expect("a store");
    let workshop = Workshop::new(store.clone(), registry::Config::default(), Resources::default(), true);
    let named = std::env::var(FILES).expect("the files");
    let named: BTreeMap<String, String> = serde_json::from_str(&named).expect("names and digests");
    let files = Files::parse(named).expect("valid names");
    let mut made = BTreeSet::new();
    for types in requests {
        let wanted = types.iter().map(|file_type| Wanted {
            quantize: Quantization::parse(file_type.name()).expect("a type"),
            ..Wanted::as_it_is(format!("m:{}", file_type.name()).parse().expect("a name"))
        });
        let outputs = Outputs::list(wanted.collect()).expect("different names");
        let request = Request { files: Some(files.clone()), ..Request::new(outputs) };
        let (stop, usage) = (CancellationToken::new(), Usage::default());
        let monitor = Monitor { report: &|_| (), stop: &stop, usage: &usage };
        workshop.prepare(request).expect("a job").make(monitor).expect("do the job");
        made.extend(usage.products().into_iter().map(|product| product.digest.to_string()));
    }
    println!("{made:?}");
}

/// The plans of the outputs.
fn plans(model: &Path) -> Vec<Plan> {
    let paths = files(model);
    let maps: Vec<_> = paths.iter().map(|path| map(path)).collect();
    let names: Vec<_> =
        paths.iter().map(|path| path.file_name().expect("a name").to_string_lossy()).collect();
    let sources: Vec<_> =
        names.iter().zip(&maps).map(|(name, map)| NamedSource { name, bytes: map }).collect();
    let plan = convert(&sources, OutputType::Unrounded).expect("a plan").model.expect("a text model");
    let quantized = |file_type: FileType| {
        quantize(plan.clone(), &file_type.into(), None).expect("a plan of the quantized model").plan
    };
    TYPES.map(quantized).into()
}

/// Bytes of all outputs.
fn bytes(model: &Path) -> u64 {
    plans(model).iter().map(|plan| plan.size().expect("a size")).sum()
}

/// Encodes as many numbers as the tensors of a plan have, in their types, on all cores.
fn encode(plan: &Plan) {
    const ROWS: usize = 128;
    let threads = available_parallelism().expect("a number of cores").get();
    let longest = plan.tensors.iter().map(|tensor| tensor.shape.row_len()).max().unwrap_or(1) as usize;
    let mut half = Vec::new();
    write_weights(&mut half, 7, (ROWS * longest) as u64, tensor::ElementType::Bf16).expect("numbers");
    let mut numbers = vec![0.0; ROWS * longest];
    tensor::dequantize(tensor::ElementType::Bf16, &half, &mut numbers).expect("numbers");
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let numbers = &numbers;
            scope.spawn(move || {
                let mut encoded = Vec::new();
                for tensor in &plan.tensors {
                    let (columns, rows) = (tensor.shape.row_len() as usize, tensor.shape.rows() as usize);
                    for first in (thread * ROWS..rows).step_by(threads * ROWS) {
                        let count = columns * ROWS.min(rows - first);
                        let blocks = count / tensor.element_type.block_len();
                        encoded.resize(blocks * tensor.element_type.block_bytes(), 0);
                        tensor::quantize(tensor.element_type, &numbers[..count], count, None, &mut encoded)
                            .expect("encode");
                    }
                }
            });
        }
    });
}

/// Hashes so many bytes.
fn hash(mut left: u64) {
    let unit = vec![7; 64 << 10];
    let mut hasher = Sha256::new();
    while left > 0 {
        let count = left.min(unit.len() as u64);
        hasher.update(&unit[..count as usize]);
        left -= count;
    }
    println!("{:x?}", hasher.finalize());
}

/// Writes as many bytes as the outputs have, each into a file of its own, and waits for the disk. The files grow
/// side by side and are all there in the end, as those of the outputs are: pages of memory that a file has not
/// given back cost a virtual machine much more than those that it has just had.
fn write(model: &Path, store: &Path) {
    let unit = vec![7; 64 << 10];
    let path = |number: usize| store.join(format!("written{number}"));
    let create = |(number, plan): (usize, &Plan)| {
        (File::create(path(number)).expect("a file"), plan.size().expect("a size"))
    };
    let mut growing: Vec<(File, u64)> = plans(model).iter().enumerate().map(create).collect();
    let count = growing.len();
    let mut whole = Vec::new();
    while !growing.is_empty() {
        for (file, left) in &mut growing {
            let count = (*left).min(unit.len() as u64);
            file.write_all(&unit[..count as usize]).expect("write");
            *left -= count;
        }
        whole.extend(growing.extract_if(.., |(_, left)| *left == 0));
    }
    whole.iter().for_each(|(file, _)| file.sync_all().expect("sync"));
    (0..count).for_each(|number| fs::remove_file(path(number)).expect("remove the file"));
}

/// Has this program do what `role` says, on a store that has the sources and nothing else.
fn measured(role: &str, model: &Path, store: &Path, named: &BTreeMap<String, String>) -> Figures {
    let before: BTreeSet<PathBuf> = files(&store.join("blobs")).into_iter().collect();
    // What is left to be written would slow down whoever comes next.
    Command::new("sync").status().expect("sync the disks");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let named = serde_json::to_string(named).expect("JSON");
    command.args([model, store]).env(MEASURED, role).env(FILES, named);
    let figures = observe(command.stdout(Stdio::piped()));
    for made in files(&store.join("blobs")).into_iter().filter(|path| !before.contains(path)) {
        fs::remove_file(made).expect("remove what was made");
    }
    for directory in ["manifests", "ollamake/made"] {
        for path in fs::read_dir(store.join(directory)).expect("a directory") {
            let path = path.expect("an entry").path();
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            removed.expect("remove what was made");
        }
    }
    figures
}

/// The median of three runs, by wall time.
fn median(mut run: impl FnMut() -> Figures) -> Figures {
    let mut runs: Vec<Figures> = (0..3).map(|_| run()).collect();
    runs.sort_by(|one, other| one.wall.total_cmp(&other.wall));
    runs.swap_remove(1)
}

/// All files of a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}
