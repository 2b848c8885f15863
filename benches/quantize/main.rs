//! Quantizing a whole model, end to end, against llama-quantize.
//!
//! `cargo bench --bench quantize [-- TYPE...]` makes a random model of 1.1 billion weights in BF16 once, quantizes it into a
//! store (hashing included) with one thread and with two, and, where `OLLAMAKE_LLAMA_QUANTIZE` names the program, has
//! llama-quantize do the same with two. Each run is a process of its own, measured from outside: wall and processor
//! time, the peak of anonymous memory, and the bytes that went to the disk.

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
use ollamake::quantize::{FileType, Scheme, quantize};
use ollamake::store::Store;
use sha2::{Digest as _, Sha256};

use support::process::{Figures, map, observe, print_heading, print_verdict};

/// Tells a process of this program that it is the one measured: threads.
const MEASURED: &str = "OLLAMAKE_BENCH_THREADS";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Ok(threads) = std::env::var(MEASURED) {
        return measured(&arguments, threads.parse().expect("a number of threads"));
    }
    let mut types: Vec<FileType> = arguments.iter().map(|name| name.parse().expect("a file type")).collect();
    if types.is_empty() {
        types = vec![FileType::Q4KM, FileType::Q8_0, FileType::Q4_0];
    }
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("quantize");
    std::fs::create_dir_all(&directory).expect("a directory for the model");
    let model = directory.join("random-1b-bf16.gguf");
    if !model.exists() {
        let start = Instant::now();
        let weights = random_model::write(&model).expect("write the model");
        println!("made a model of {weights} weights in {:.1?}", start.elapsed());
    }
    let reference = std::env::var_os("OLLAMAKE_LLAMA_QUANTIZE").map(PathBuf::from);
    if reference.is_none() {
        println!("OLLAMAKE_LLAMA_QUANTIZE is not set: nothing to compare with");
    }
    // Once through the source, so that every run finds it in memory.
    std::io::copy(&mut std::fs::File::open(&model).expect("open the model"), &mut std::io::sink())
        .expect("read the model");

    print_heading();
    for file_type in types {
        let name = file_type.name();
        let one = ours(&model, &directory, name, 1);
        one.print(name, "1 thread");
        let two = ours(&model, &directory, name, 2);
        two.print(name, "2 threads");
        let ratio = |one: f64, other: f64| format!("{:.2}", one / other);
        print_verdict(name, "2 against 1", ratio(one.wall, two.wall));
        if let Some(program) = &reference {
            let theirs = theirs(program, &model, &directory, name);
            theirs.print(name, "llama-quantize");
            print_verdict(name, "same bytes", if theirs.said == two.said { "yes" } else { "NO" });
            print_verdict(name, "ratio, wall", ratio(theirs.wall, two.wall));
            print_verdict(name, "ratio, CPU", ratio(theirs.processor, two.processor));
        }
    }
}

/// What the process under measurement does: everything that a create job does between the blobs.
fn measured(arguments: &[String], threads: NonZeroUsize) {
    let [model, directory, file_type] = arguments else { panic!("model, directory, type") };
    let map = map(Path::new(model));
    let parsed = Gguf::parse(&map).expect("a valid model");
    let description = SourceDescription { label: model.clone(), length: map.len() as u64 };
    let plan = Plan::copying(&parsed, description).expect("a plan");
    let scheme = Scheme::new(file_type.parse::<FileType>().expect("a file type"));
    let plan = quantize(plan, &scheme, None).expect("a plan of the quantized model").plan;
    let store = Store::open(Path::new(directory)).expect("a store");
    let mut writer = store.create_blob();
    let resources = Resources { threads, ..Resources::default() };
    let size =
        plan.execute(&[&&map[..] as &dyn Source], &mut writer, resources, &()).expect("execute the plan");
    let committed = writer.commit(None).expect("commit the blob");
    assert_eq!(size, committed.blob.length());
    print!("{}", committed.blob.digest());
}

fn ours(model: &Path, directory: &Path, file_type: &str, threads: usize) -> Figures {
    let store = tempfile::tempdir_in(directory).expect("a directory for the store");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([model, store.path()]).arg(file_type).env(MEASURED, threads.to_string());
    observe(command.stdout(Stdio::piped()))
}

fn theirs(program: &Path, model: &Path, directory: &Path, file_type: &str) -> Figures {
    let output = directory.join("reference.gguf");
    let mut command = Command::new(program);
    command.args([model, &output]).args([file_type, "2"]);
    let mut figures = observe(command.stdout(Stdio::null()).stderr(Stdio::null()));
    figures.said = Digest::from_bytes(Sha256::digest(map(&output)).into()).to_string();
    std::fs::remove_file(output).expect("remove the output");
    figures
}
