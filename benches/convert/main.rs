//! Converting a whole checkpoint, end to end, against llama.cpp's converter and llama-quantize.
//!
//! `cargo bench --bench convert` makes a random Llama of 1.1 billion weights in BF16 once, in five
//! safetensors files with a SentencePiece vocabulary, and turns it into a stored blob (hashing and syncing
//! included): unchanged in BF16, and as Q4_K_M. Beside that, in the same run: copying the weights into a file
//! while hashing them; and, where `OLLAMAKE_CONVERT_HF` names `convert_hf_to_gguf.py` and
//! `OLLAMAKE_LLAMA_QUANTIZE` llama-quantize, those two, with the Python that `OLLAMAKE_PYTHON` names (it
//! needs torch, transformers, sentencepiece and numpy). Each run is a process of its own, measured from
//! outside: wall and processor time, the peak of anonymous memory, and the bytes written. Of ours and of the
//! copy, the median of three runs counts. The tensors of both sides are compared.

mod checkpoint;
mod copy;
#[path = "../support/safetensors_header.rs"]
mod safetensors_header;
#[path = "../support/mod.rs"]
mod support;
mod vocabulary;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use ollamake::convert::{OutputType, checkpoint as convert};
use ollamake::gguf::Gguf;
use ollamake::plan::{Resources, Source};
use ollamake::quantize::{FileType, quantize};
use ollamake::safetensors::NamedSource;
use ollamake::store::Store;

use support::process::{Figures, map, observe, print_heading, print_verdict};

/// Tells a process of this program that it is the one measured, and what it shall do.
const MEASURED: &str = "OLLAMAKE_BENCH_ROLE";

fn main() {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match std::env::var(MEASURED).as_deref() {
        Ok("copy") => return copy::while_hashing(&weights(&paths[0]), &paths[1]),
        Ok(file_type) => return make(&paths[0], &paths[1], file_type.parse().expect("a file type")),
        Err(_) => {}
    }
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("convert");
    let model = directory.join("random-1b");
    if !model.exists() {
        let start = Instant::now();
        let weights = checkpoint::write(&model).expect("write the checkpoint");
        println!("made a checkpoint of {weights} weights in {:.1?}", start.elapsed());
    }
    // Once through the source, so that every run finds it in memory.
    for file in weights(&model) {
        let mut file = fs::File::open(file).expect("open the weights");
        std::io::copy(&mut file, &mut std::io::sink()).expect("read the weights");
    }

    print_heading();
    let reference = Reference::of_environment(&directory);
    let copy = median(|| {
        let copy = directory.join("copy");
        let figures = measured("copy", &model, &copy);
        fs::remove_file(copy).expect("remove the copy");
        figures
    });
    copy.print("BF16", "copy while hashing");
    let converted = Made::measure(&model, &directory, FileType::Bf16);
    print_verdict("BF16", "ours / copy", format!("{:.2}", converted.figures.wall / copy.wall));
    let theirs = reference.as_ref().map(|reference| {
        let theirs = reference.convert(&model);
        theirs.print("BF16", "convert_hf_to_gguf.py");
        print_verdict("BF16", "ratio, wall", format!("{:.2}", theirs.wall / converted.figures.wall));
        print_verdict("BF16", "same tensors", same_tensors(&reference.converted, &converted.blob));
        theirs
    });
    drop(converted);

    let quantized = Made::measure(&model, &directory, FileType::Q4KM);
    if let (Some(reference), Some(conversion)) = (&reference, theirs) {
        let quantization = reference.quantize("Q4_K_M");
        quantization.print("Q4_K_M", "llama-quantize");
        let both = conversion.wall + quantization.wall;
        print_verdict("Q4_K_M", "both programs, s", format!("{both:.2}"));
        print_verdict("Q4_K_M", "ratio, wall", format!("{:.2}", both / quantized.figures.wall));
        print_verdict("Q4_K_M", "same tensors", same_tensors(&reference.quantized, &quantized.blob));
    }
}

/// What the process under measurement does: everything that a create job does between the blobs.
fn make(model: &Path, store: &Path, file_type: FileType) {
    let paths = files(model);
    let names: Vec<String> =
        paths.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    let maps: Vec<_> = paths.iter().map(|path| map(path)).collect();
    let sources: Vec<_> =
        names.iter().zip(&maps).map(|(name, map)| NamedSource { name, bytes: map }).collect();
    let mut plan = convert(&sources, OutputType::Auto).expect("a plan").model.expect("a text model");
    if FileType::of(&plan.metadata) != Some(file_type) {
        plan = quantize(plan, &file_type.into(), None).expect("a plan of the quantized model").plan;
    }
    let bytes_of = |label: &String| {
        let index = names.iter().position(|name| name == label).expect("a source");
        &maps[index][..]
    };
    let sources: Vec<&[u8]> = plan.sources.iter().map(|source| bytes_of(&source.label)).collect();
    let sources: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
    let mut writer = Store::open(store).expect("a store").create_blob();
    plan.execute(&sources, &mut writer, Resources::default(), &()).expect("execute the plan");
    let committed = writer.commit(None).expect("commit the blob");
    print!("{}", committed.blob.digest().file_name());
}

/// A blob that was made, and what it took.
struct Made {
    figures: Figures,
    blob: PathBuf,
    _store: tempfile::TempDir,
}

impl Made {
    fn measure(model: &Path, directory: &Path, file_type: FileType) -> Self {
        let name = file_type.name();
        let mut last = None;
        let figures = median(|| {
            let store = tempfile::tempdir_in(directory).expect("a directory for the store");
            let figures = measured(name, model, store.path());
            last = Some(store);
            figures
        });
        figures.print(name, "ours");
        let store = last.expect("a run");
        let blob = store.path().join("blobs").join(&figures.said);
        let length = fs::metadata(&blob).expect("the blob").len();
        print_verdict(name, "bytes of the result", length);
        print_verdict(name, "bytes written", figures.written);
        Self { figures, blob, _store: store }
    }
}

/// The median of three runs, by wall time.
fn median(mut run: impl FnMut() -> Figures) -> Figures {
    let mut runs: Vec<Figures> = (0..3).map(|_| run()).collect();
    runs.sort_by(|one, other| one.wall.total_cmp(&other.wall));
    runs.swap_remove(1)
}

/// Has this program do what `role` says.
fn measured(role: &str, model: &Path, output: &Path) -> Figures {
    // What is left to be written would slow down whoever comes next.
    Command::new("sync").status().expect("sync the disks");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([model, output]).env(MEASURED, role);
    observe(command.stdout(Stdio::piped()))
}

/// llama.cpp's programs.
struct Reference {
    python: PathBuf,
    converter: PathBuf,
    quantizer: PathBuf,
    converted: PathBuf,
    quantized: PathBuf,
}

impl Reference {
    fn of_environment(directory: &Path) -> Option<Self> {
        let variable = |name: &str| {
            let value = std::env::var_os(name).map(PathBuf::from);
            value.or_else(|| {
                println!("{name} is not set: nothing to compare with");
                None
            })
        };
        Some(Self {
            python: std::env::var_os("OLLAMAKE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from),
            converter: variable("OLLAMAKE_CONVERT_HF")?,
            quantizer: variable("OLLAMAKE_LLAMA_QUANTIZE")?,
            converted: directory.join("reference-bf16.gguf"),
            quantized: directory.join("reference-quantized.gguf"),
        })
    }

    fn convert(&self, model: &Path) -> Figures {
        let mut command = Command::new(&self.python);
        command.args([&self.converter, model]).args(["--outtype", "bf16", "--outfile"]).arg(&self.converted);
        observe_silently(&mut command)
    }

    fn quantize(&self, file_type: &str) -> Figures {
        let mut command = Command::new(&self.quantizer);
        command.args([&self.converted, &self.quantized]).args([file_type, "2"]);
        observe_silently(&mut command)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        for file in [&self.converted, &self.quantized] {
            // There is none if the run before it failed.
            let _ = fs::remove_file(file);
        }
    }
}

fn observe_silently(command: &mut Command) -> Figures {
    Command::new("sync").status().expect("sync the disks");
    observe(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Whether two files hold the same tensors: order, names, types, shapes and bytes.
fn same_tensors(one: &Path, other: &Path) -> &'static str {
    let maps = [map(one), map(other)];
    let [one, other] = maps.each_ref().map(|map| {
        let file = Gguf::parse(map).expect("a valid file");
        let tensors = file.tensors().iter().map(|tensor| {
            let data = &map[tensor.data.start as usize..tensor.data.end as usize];
            (tensor.name.to_owned(), tensor.shape, tensor.element_type, data)
        });
        tensors.collect::<Vec<_>>()
    });
    if one == other { "yes" } else { "NO" }
}

/// All files of a checkpoint.
fn files(model: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(model).expect("the checkpoint");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Those that hold the weights.
fn weights(model: &Path) -> Vec<PathBuf> {
    let mut files = files(model);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "safetensors"));
    files
}
