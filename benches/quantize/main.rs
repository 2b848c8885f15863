//! Quantizing a whole model, end to end, against llama-quantize.
//!
//! `cargo bench --bench quantize [-- TYPE...]` makes a random model of 1.1 billion weights in BF16 once, quantizes it into a
//! store (hashing included) with one thread and with two, and, where `OLLAMAKE_LLAMA_QUANTIZE` names the program, has
//! llama-quantize do the same with two. Each run is a process of its own, measured from outside: wall and processor
//! time, the peak of anonymous memory, and the bytes that went to the disk.
#![allow(missing_docs, reason = "a program")]

mod random_model;

use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ollamake::gguf::Gguf;
use ollamake::model::Digest;
use ollamake::plan::{Plan, Resources, Source, SourceDescription};
use ollamake::quantize::{FileType, quantize};
use ollamake::store::Store;
use sha2::{Digest as _, Sha256};

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

    println!(
        "{:8} {:>16} {:>8} {:>9} {:>12} {:>12}",
        "type", "", "wall s", "CPU s", "anon MiB", "written MiB"
    );
    for file_type in types {
        let name = file_type.name();
        let one = ours(&model, &directory, name, 1).print(name, "1 thread");
        let two = ours(&model, &directory, name, 2).print(name, "2 threads");
        println!("{name:8} {:>16} {:>8.2}", "2 against 1", one.wall / two.wall);
        if let Some(program) = &reference {
            let theirs = theirs(program, &model, &directory, name).print(name, "llama-quantize");
            let same = if theirs.digest == two.digest { "yes" } else { "NO" };
            println!("{name:8} {:>16} {same:>8}", "same bytes");
            println!("{name:8} {:>16} {:>8.2}", "ratio, wall", theirs.wall / two.wall);
            println!("{name:8} {:>16} {:>8.2}", "ratio, CPU", theirs.processor / two.processor);
        }
    }
}

/// What the process under measurement does: everything that a create job does between the blobs.
fn measured(arguments: &[String], threads: NonZeroUsize) {
    let [model, directory, file_type] = arguments else { panic!("model, directory, type") };
    let file = std::fs::File::open(model).expect("open the model");
    let map = map(&file);
    let parsed = Gguf::parse(&map).expect("a valid model");
    let description = SourceDescription { label: model.clone(), length: map.len() as u64 };
    let plan = Plan::copying(&parsed, description).expect("a plan");
    let plan =
        quantize(plan, file_type.parse().expect("a file type")).expect("a plan of the quantized model");
    let store = Store::open(Path::new(directory)).expect("a store");
    let mut writer = store.create_blob();
    let resources = Resources { threads, ..Resources::default() };
    let size =
        plan.execute(&[&&map[..] as &dyn Source], &mut writer, resources, &()).expect("execute the plan");
    let committed = writer.commit(None).expect("commit the blob");
    assert_eq!(size, committed.blob.length());
    println!("{}", committed.blob.digest());
}

fn ours(model: &Path, directory: &Path, file_type: &str, threads: usize) -> Figures {
    let store = tempfile::tempdir_in(directory).expect("a directory for the store");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([model, store.path()]).arg(file_type).env(MEASURED, threads.to_string());
    let mut figures = observe(command.stdout(Stdio::piped()));
    figures.digest = figures.digest.trim().to_owned();
    figures
}

fn theirs(program: &Path, model: &Path, directory: &Path, file_type: &str) -> Figures {
    let output = directory.join("reference.gguf");
    let mut command = Command::new(program);
    command.args([model, &output]).args([file_type, "2"]);
    let mut figures = observe(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let file = std::fs::File::open(&output).expect("open the output");
    figures.digest = Digest::from_bytes(Sha256::digest(map(&file)).into()).to_string();
    std::fs::remove_file(output).expect("remove the output");
    figures
}

/// What was seen of a process.
struct Figures {
    /// Seconds.
    wall: f64,
    /// Seconds of all threads.
    processor: f64,
    /// Bytes of anonymous memory at the worst moment seen.
    anonymous: u64,
    /// Bytes that it caused to be written to disks.
    written: u64,
    /// Of the file that it made.
    digest: String,
}

impl Figures {
    fn print(self, name: &str, label: &str) -> Self {
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        println!(
            "{name:8} {label:>16} {:>8.2} {:>9.2} {:>12.1} {:>12.1}",
            self.wall,
            self.processor,
            mebibytes(self.anonymous),
            mebibytes(self.written)
        );
        std::io::stdout().flush().expect("standard output");
        self
    }
}

/// Runs a command and looks at it every few milliseconds.
fn observe(command: &mut Command) -> Figures {
    let start = Instant::now();
    let mut child = command.spawn().expect("start the process");
    let mut figures = Figures { wall: 0.0, processor: 0.0, anonymous: 0, written: 0, digest: String::new() };
    loop {
        figures.look(&child);
        if let Some(status) = child.try_wait().expect("wait for the process") {
            assert!(status.success(), "the process failed: {status}");
            figures.wall = start.elapsed().as_secs_f64();
            if let Some(mut said) = child.stdout.take() {
                said.read_to_string(&mut figures.digest).expect("what the process said");
            }
            return figures;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Figures {
    fn look(&mut self, child: &Child) {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id()));
        let field = |text: &str, key: &str| -> Option<u64> {
            text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
        };
        // The process may be gone between two looks; what was seen last counts.
        if let Some(kibibytes) = read("status").ok().and_then(|text| field(&text, "RssAnon:")) {
            self.anonymous = self.anonymous.max(kibibytes << 10);
        }
        if let Some(bytes) = read("io").ok().and_then(|text| field(&text, "write_bytes:")) {
            self.written = self.written.max(bytes);
        }
        if let Ok(stat) = read("stat") {
            let ticks = |index| stat.rsplit(") ").next()?.split(' ').nth(index)?.parse::<u64>().ok();
            let sum = ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0);
            self.processor = self.processor.max(sum as f64 / 100.0);
        }
    }
}

#[expect(unsafe_code, reason = "a memory map of a file is unsafe in Rust whatever one does")]
fn map(file: &std::fs::File) -> memmap2::Mmap {
    // SAFETY: the model was made by this program, which does not write to it again.
    unsafe { memmap2::Mmap::map(file) }.expect("map the model")
}
