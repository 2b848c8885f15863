//! Quantizing a whole model, end to end, against llama-quantize.
//!
//! `cargo bench --bench quantize [-- TYPE...]` makes a random model of 1.1 billion weights in BF16 once and
//! an importance matrix for it, quantizes it into a store (hashing and syncing included) with one thread and
//! with two, into a file with `ollamake quantize` and two threads, and, where `OLLAMAKE_LLAMA_QUANTIZE` names
//! the program, has llama-quantize do the latter.
//! `TYPE+importance` is the type with the matrix. Each run is a process of its own, measured from outside:
//! wall and processor time, the peak of anonymous memory, and the bytes that went to the disk.

mod random_matrix;
mod random_model;
#[path = "../support/mod.rs"]
mod support;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use ollamake::gguf::Gguf;
use ollamake::model::Digest;
use ollamake::plan::{Plan, Resources, Source, SourceDescription};
use ollamake::quantize::{FileType, ImportanceMatrix, Scheme, Selection, quantize};
use ollamake::store::Store;
use sha2::{Digest as _, Sha256};

use support::process::{Figures, map, observe, print_heading, print_verdict};

/// Tells a process of this program that it is the one measured: threads.
const MEASURED: &str = "OLLAMAKE_BENCH_THREADS";

/// What is measured unless types are named.
const USUAL: [&str; 7] = [
    "Q4_K_M+importance",
    "IQ4_XS+importance",
    "IQ3_M+importance",
    "IQ2_M+importance",
    "Q4_K_M",
    "Q8_0",
    "Q4_0",
];

/// What a model is quantized to, and with what.
struct Task<'p> {
    model: &'p Path,
    directory: &'p Path,
    file_type: FileType,
    matrix: Option<&'p Path>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Ok(threads) = std::env::var(MEASURED) {
        return measured(&arguments, threads.parse().expect("a number of threads"));
    }
    let usual = USUAL.map(str::to_owned).to_vec();
    let wanted = if arguments.is_empty() { usual } else { arguments };
    let wanted = wanted.iter().map(|wanted| {
        let (name, is_weighed) =
            wanted.strip_suffix("+importance").map_or((&wanted[..], false), |name| (name, true));
        (name.parse::<FileType>().expect("a file type, perhaps with +importance"), is_weighed)
    });
    let wanted: Vec<(FileType, bool)> = wanted.collect();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("quantize");
    std::fs::create_dir_all(&directory).expect("a directory for the model");
    let model = directory.join("random-1b-bf16.gguf");
    if !model.exists() {
        let start = Instant::now();
        let weights = random_model::write(&model).expect("write the model");
        println!("made a model of {weights} weights in {:.1?}", start.elapsed());
    }
    let matrix = directory.join("random-1b.imatrix.gguf");
    random_matrix::write(&matrix).expect("write the importance matrix");
    let reference = std::env::var_os("OLLAMAKE_LLAMA_QUANTIZE").map(PathBuf::from);
    if reference.is_none() {
        println!("OLLAMAKE_LLAMA_QUANTIZE is not set: nothing to compare with");
    }
    // Once through the source, so that every run finds it in memory.
    std::io::copy(&mut std::fs::File::open(&model).expect("open the model"), &mut std::io::sink())
        .expect("read the model");

    print_heading();
    for (file_type, is_weighed) in wanted {
        let matrix = is_weighed.then_some(matrix.as_path());
        let task = Task { model: &model, directory: &directory, file_type, matrix };
        compare(&task, reference.as_deref());
    }
}

/// Prints what one type takes here and there.
fn compare(task: &Task<'_>, reference: Option<&Path>) {
    let name = &format!("{}{}", task.file_type, if task.matrix.is_some() { "+importance" } else { "" });
    let one = ours(task, 1);
    one.print(name, "1 thread");
    let two = ours(task, 2);
    two.print(name, "2 threads");
    let ratio = |one: f64, other: f64| format!("{:.2}", one / other);
    print_verdict(name, "2 against 1", ratio(one.wall, two.wall));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ollamake"));
    let file = into_file(command.arg("quantize"), task);
    file.print(name, "into a file");
    if let Some(program) = reference {
        let theirs = into_file(&mut Command::new(program), task);
        theirs.print(name, "llama-quantize");
        let are_same = theirs.said == two.said && theirs.said == file.said;
        print_verdict(name, "same bytes", if are_same { "yes" } else { "NO" });
        print_verdict(name, "ratio, wall", ratio(theirs.wall, two.wall));
        print_verdict(name, "ratio, CPU", ratio(theirs.processor, two.processor));
        print_verdict(name, "as a file, wall", ratio(theirs.wall, file.wall));
        print_verdict(name, "as a file, CPU", ratio(theirs.processor, file.processor));
    }
}

/// What the process under measurement does: everything that a create job does between the blobs.
fn measured(arguments: &[String], threads: NonZeroUsize) {
    let [model, directory, file_type, matrix @ ..] = arguments else { panic!("model, directory, type") };
    let map_of = |path: &String| map(Path::new(path));
    let files: Vec<_> = std::iter::once(model).chain(matrix).map(map_of).collect();
    let description =
        |label: &String, length: usize| SourceDescription { label: label.clone(), length: length as u64 };
    let parsed = Gguf::parse(&files[0]).expect("a valid model");
    let plan = Plan::copying(&parsed, description(model, files[0].len())).expect("a plan");
    let importance = matrix.first().map(|label| {
        let source = description(label, files[1].len());
        let read = ImportanceMatrix::read(source, &files[1], &Selection::default());
        read.expect("a valid matrix").expect("a matrix with entries")
    });
    let scheme = Scheme::new(file_type.parse::<FileType>().expect("a file type"));
    let quantized = quantize(plan, &scheme, importance.as_ref()).expect("a plan of the quantized model");
    let plan = quantized.ready().expect("a plan that can be carried out");
    let store = Store::open(Path::new(directory)).expect("a store");
    let mut writer = store.create_blob();
    let resources = Resources { threads, ..Resources::default() };
    let sources: Vec<&[u8]> = files.iter().map(|file| &file[..]).collect();
    let sources: Vec<&dyn Source> = sources.iter().map(|source| source as &dyn Source).collect();
    let size = plan.execute(&sources, &mut writer, resources, &()).expect("execute the plan");
    let committed = writer.commit(None).expect("commit the blob");
    assert_eq!(size, committed.blob.length());
    print!("{}", committed.blob.digest());
}

fn ours(task: &Task<'_>, threads: usize) -> Figures {
    let store = tempfile::tempdir_in(task.directory).expect("a directory for the store");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([task.model, store.path()]).arg(task.file_type.name()).args(task.matrix);
    observe(command.env(MEASURED, threads.to_string()).stdout(Stdio::piped()))
}

/// Runs a program with llama-quantize's arguments; what it said is the digest of the file.
fn into_file(command: &mut Command, task: &Task<'_>) -> Figures {
    let output = task.directory.join("quantized.gguf");
    if let Some(matrix) = task.matrix {
        command.arg("--imatrix").arg(matrix);
    }
    command.args([task.model, &output]).args([task.file_type.name(), "2"]);
    let mut figures = observe(command.stdout(Stdio::null()).stderr(Stdio::null()));
    figures.said = Digest::from_bytes(Sha256::digest(map(&output)).into()).to_string();
    std::fs::remove_file(output).expect("remove the output");
    figures
}
