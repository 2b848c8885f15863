//! All cases with one thing wrong: each is refused with an error that names it, or becomes a model whose plan
//! holds.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ollamake::convert::{self, Conversion, OutputType};
use ollamake::safetensors::NamedSource;
use serde_json::Value as Json;

use super::cases::{expectations, has_weights, is_narrowed_out, with_target};
use super::checkpoint::{execute, read};
use super::damage::Damage;
use super::{Files, cases, cases_in};
use crate::support::shared;

/// One in so many damages is tried; 1 are all.
const ONE_IN: &str = "OLLAMAKE_MUTATIONS";
const ONE_IN_BY_DEFAULT: u64 = 400;

/// A directory for what is accepted although something is wrong, so that llama.cpp can load it
/// (`tests/clients/damaged_in_llama_cpp.py`).
const KEPT: &str = "OLLAMAKE_KEEP_MUTANTS";

/// So long may a damaged checkpoint be looked at; none of the whole ones takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn whatever_is_wrong_is_named_or_does_no_harm() {
    let one_in = std::env::var(ONE_IN).map_or(ONE_IN_BY_DEFAULT, |text| text.parse().unwrap());
    let mut all = cases();
    all.extend(shared::path("architectures").iter().flat_map(|directory| cases_in(directory)));
    let chosen: Vec<(&String, &PathBuf)> =
        all.iter().filter(|(name, case)| has_weights(case) && !is_narrowed_out(name)).collect();
    let kept = std::env::var_os(KEPT).map(PathBuf::from);
    let (next, tried) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((name, case)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let subject = Subject::read(&all, case);
                    let keep = |what: &dyn std::fmt::Display, files: &Files, conversion: &Conversion| {
                        if let Some(directory) = &kept {
                            keep(directory, name, what, files, conversion);
                        }
                    };
                    if kept.is_some()
                        && let Ok(conversion) = subject.convert(&subject.files.sources())
                    {
                        keep(&"whole", &subject.files, &conversion);
                    }
                    for damage in subject.damages(name, one_in) {
                        tried.fetch_add(1, Ordering::Relaxed);
                        if let Some(complaint) = subject.complaint(&damage, keep) {
                            complaints.lock().unwrap().push(format!("{name}: {damage}: {complaint}"));
                        }
                    }
                }
            });
        }
    });
    let mut complaints = complaints.into_inner().unwrap();
    complaints.sort();
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    println!("{} damages were tried, one in {one_in}", tried.load(Ordering::Relaxed));
    assert!(complaints.is_empty(), "{} damages are not dealt with", complaints.len());
}

/// Writes the files of a conversion under the name of their contents, so that each is there once, and into a
/// list what they were made of.
fn keep(directory: &Path, case: &str, what: &dyn std::fmt::Display, files: &Files, conversion: &Conversion) {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    for (kind, plan) in [("model", &conversion.model), ("projector", &conversion.projector)] {
        let Some(bytes) = plan.as_ref().and_then(|plan| execute(plan, files).ok()) else { continue };
        let name = format!("{case}.{:016x}.{kind}.gguf", hasher.hash_one(&bytes));
        let path = directory.join(&name);
        if !path.exists() {
            std::fs::write(path, bytes).unwrap();
        }
        let list = std::fs::OpenOptions::new().create(true).append(true).open(directory.join("made.tsv"));
        list.unwrap().write_all(format!("{name}\t{what}\n").as_bytes()).unwrap();
    }
}

/// A case that is damaged.
struct Subject {
    files: Files,
    /// The plan of the base that it is an adapter for.
    base: Option<ollamake::plan::Plan>,
}

impl Subject {
    fn read(all: &BTreeMap<String, PathBuf>, case: &std::path::Path) -> Self {
        let expected = expectations(case);
        let files = with_target(read(case), all, &expected);
        let base = expected.get("base").and_then(Json::as_str).and_then(|base| {
            let base = convert::checkpoint(&read(&all[base]).sources(), OutputType::F16).ok()?;
            base.model
        });
        Self { files, base }
    }

    /// A sample of what can be wrong, always the same. There is none of what is not converted anyway.
    fn damages(&self, name: &str, one_in: u64) -> Vec<Damage> {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let is_chosen = |damage: &Damage| hasher.hash_one((name, damage.to_string())).is_multiple_of(one_in);
        let chosen: Vec<Damage> = Damage::all(&self.files).into_iter().filter(is_chosen).collect();
        let in_vain = !chosen.is_empty() && self.convert(&self.files.sources()).is_err();
        if in_vain { Vec::new() } else { chosen }
    }

    fn convert(&self, sources: &[NamedSource<'_>]) -> Result<Conversion, String> {
        let result = match &self.base {
            Some(base) => convert::adapter(sources, base, OutputType::Auto),
            None => convert::checkpoint(sources, OutputType::Auto),
        };
        result.map_err(|error| error.to_string())
    }

    /// What is not as it should be with this damage.
    fn complaint(
        &self,
        damage: &Damage,
        keep: impl Fn(&dyn std::fmt::Display, &Files, &Conversion),
    ) -> Option<String> {
        let changed = damage.apply(&self.files);
        let sources = self.files.0.iter().filter_map(|(name, bytes)| match name == damage.file() {
            true => Some(NamedSource { name, bytes: changed.as_deref()? }),
            false => Some(NamedSource { name, bytes }),
        });
        let sources: Vec<NamedSource<'_>> = sources.collect();
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| self.convert(&sources)));
        let complaint = match result {
            Err(_) => Some("panicked".to_owned()),
            Ok(Ok(conversion)) => {
                let own = |source: &NamedSource<'_>| (source.name.to_owned(), source.bytes.to_vec());
                keep(damage, &Files(sources.iter().map(own).collect()), &conversion);
                let plans = conversion.model.iter().chain(&conversion.projector);
                plans
                    .filter_map(|plan| plan.check().and(plan.size()).err())
                    .next()
                    .map(|error| error.to_string())
            }
            Ok(Err(error)) => (!damage.is_named_by(&error)).then(|| format!("it is not named: {error}")),
        };
        let late = start.elapsed() > PATIENCE;
        complaint.or_else(|| late.then(|| format!("it took {:?}", start.elapsed())))
    }
}
