//! The quantization kernels against ggml's own, on one thread.
//!
//! `cargo bench --bench kernels` prints, for each type with and without importance and each SIMD level,
//! millions of weights per second here and in `ggml_quantize_chunk`, on the same input. The library is that
//! of the Python package `libggml-python` (`libggml-base.so`); its path is taken from `OLLAMAKE_GGML` or
//! asked of `python3`. Arguments name the types to measure. The bytes of both sides are compared as well.
#![expect(unsafe_code, reason = "a C library is loaded and called")]

use std::ffi::c_void;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use ollamake::tensor::{ElementType, Platform, needs_importance, quantize_on};

/// Elements of a row, and rows: half a million weights, as a quantizer of files would take them at a time.
const COLUMNS: usize = 4096;
const ROWS: usize = 128;

/// How long each figure is measured; the fastest run counts, since other programs only ever slow a run down.
const MEASURED: Duration = Duration::from_millis(400);
const RUNS: usize = 5;

/// `size_t ggml_quantize_chunk(type, src, dst, start, nrows, n_per_row, imatrix)`
///
/// It makes the tables that a type needs when it is called first.
type QuantizeChunk = unsafe extern "C" fn(i32, *const f32, *mut c_void, i64, i64, i64, *const f32) -> usize;

/// The types whose searches weigh by importance.
const WEIGHED: [ElementType; 18] = {
    use ElementType::*;
    [
        Q4_0, Q4_1, Q5_0, Q5_1, Q2K, Q3K, Q4K, Q5K, Q6K, Iq4Nl, Iq4Xs, Iq3Xxs, Iq3S, Iq2Xxs, Iq2Xs, Iq2S,
        Iq1S, Iq1M,
    ]
};

/// The types that do not.
const ALIKE: [ElementType; 9] = {
    use ElementType::*;
    [Q8_0, Tq1_0, Tq2_0, Mxfp4, Nvfp4, Q1_0, Q2_0, F16, Bf16]
};

fn main() {
    let wanted: Vec<ElementType> =
        std::env::args().filter_map(|argument| ElementType::from_name(&argument)).collect();
    let Some(library) = reference_library() else {
        println!(
            "no libggml-base.so: set OLLAMAKE_GGML or `pip install libggml-python`; nothing is measured"
        );
        return;
    };
    // SAFETY: the library is ggml's; loading it runs its initializers.
    let library = unsafe { libloading::Library::new(&library) }.expect("load the reference library");
    // SAFETY: the symbol has this type in every version of ggml since 2024.
    let reference = unsafe { library.get::<QuantizeChunk>(b"ggml_quantize_chunk") }.expect("find the symbol");

    let values = weights(ROWS * COLUMNS);
    let importance: Vec<f32> = weights(COLUMNS).iter().map(|weight| weight * weight).collect();
    let levels = Platform::available();
    print!("| type | ggml |");
    levels.iter().for_each(|level| print!(" {} | ratio |", level.name()));
    print!("\n|---|---:|");
    levels.iter().for_each(|_| print!("---:|---:|"));
    println!();

    for element_type in WEIGHED.into_iter().chain(ALIKE) {
        if !wanted.is_empty() && !wanted.contains(&element_type) {
            continue;
        }
        for importance in [None, Some(importance.as_slice())] {
            let ignored = importance.is_some() && !WEIGHED.contains(&element_type);
            if !ignored && (importance.is_some() || !needs_importance(element_type)) {
                compare(*reference, element_type, &values, importance, &levels);
            }
        }
    }
    println!("\nmillions of weights per second on one thread, fastest of many runs; higher is better");
}

/// Prints the row of a type.
fn compare(
    reference: QuantizeChunk,
    element_type: ElementType,
    values: &[f32],
    importance: Option<&[f32]>,
    levels: &[Platform],
) {
    let bytes = element_type.row_bytes(COLUMNS as u64).expect("whole blocks") as usize * ROWS;
    let id = element_type.id().cast_signed();
    let mut expected = vec![0_u8; bytes];
    let theirs = speed(|| {
        let importance = importance.map_or(std::ptr::null(), <[f32]>::as_ptr);
        let (source, output) = (values.as_ptr(), expected.as_mut_ptr().cast());
        // SAFETY: the output has room for the rows of this type, and the importance is that of a row.
        unsafe { reference(id, source, output, 0, ROWS as i64, COLUMNS as i64, importance) };
    });
    let with = if importance.is_some() { ", importance" } else { "" };
    print!("| {element_type}{with} | {theirs:.1} |");
    for &level in levels {
        let mut output = vec![0_u8; bytes];
        let ours = speed(|| {
            quantize_on(level, element_type, values, COLUMNS, importance, &mut output).expect("quantize");
        });
        let same = if output == expected { "" } else { " DIFFERENT BYTES" };
        print!(" {ours:.1} | {:.2}{same} |", ours / theirs);
    }
    println!();
}

/// Millions of weights per second of the fastest run.
fn speed(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut fastest = Duration::MAX;
    let mut runs = 0;
    while runs < RUNS || start.elapsed() < MEASURED {
        let run_start = thread_time();
        run();
        fastest = fastest.min(thread_time() - run_start);
        runs += 1;
    }
    (ROWS * COLUMNS) as f64 / fastest.as_secs_f64() / 1e6
}

/// The time that this thread has spent on a processor, so that other programs disturb less.
#[cfg(target_os = "linux")]
fn thread_time() -> Duration {
    #[repr(C)]
    struct Time {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Time) -> i32;
    }
    const CLOCK_THREAD_CPUTIME_ID: i32 = 3;
    let mut time = Time { seconds: 0, nanoseconds: 0 };
    // SAFETY: on 64-bit Linux `struct timespec` consists of these two numbers.
    let status = unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "the clock of the thread");
    Duration::new(time.seconds as u64, time.nanoseconds as u32)
}

/// The time since the first call.
#[cfg(not(target_os = "linux"))]
fn thread_time() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// Numbers distributed like the weights of a model: a bell curve around zero.
fn weights(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u32 << 24) as f32
    };
    (0..count).map(|_| (uniform() + uniform() + uniform() + uniform() - 2.0) * 0.03).collect()
}

/// The path of the reference library.
fn reference_library() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("OLLAMAKE_GGML") {
        return Some(path.into());
    }
    const FIND: &str = "import importlib.util, pathlib
origin = importlib.util.find_spec('libggml').submodule_search_locations[0]
print(next(pathlib.Path(origin).rglob('libggml-base.so')))";
    let output =
        Command::new("python3").args(["-c", FIND]).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end().into())
}
