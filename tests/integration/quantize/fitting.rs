//! Models that are to fit into a size, and what is measured for that.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use ollamake::gguf::Gguf;
use ollamake::plan::{Observer, Plan, Resources, Source, SourceDescription, SquaredError};
use ollamake::quantize::{FileType, Fitting, ImportanceMatrix, Quantized, Scheme, Selection, Size, quantize};

use super::material::{copying, execute_all, expected, list, matrix_file, source_file};

/// A model and perhaps a matrix.
struct Model {
    source: Vec<u8>,
    matrix: Vec<u8>,
    importance: Option<ImportanceMatrix>,
    /// Without all but two layers, which is enough.
    scheme: Scheme,
}

impl Model {
    /// Model number `index`, weighed by a matrix if there is one of this name.
    fn new(index: usize, matrix: &str) -> Self {
        let files = expected("files.json");
        let source = source_file(&list(&files["models"])[index], "f16");
        let known = list(&files["imatrices"]).iter().find(|known| known["file"] == matrix);
        let matrix = known.map(matrix_file).unwrap_or_default();
        let importance = known.and_then(|_| {
            let source = SourceDescription { label: "m".into(), length: matrix.len() as u64 };
            ImportanceMatrix::read(source, &matrix, &Selection::default()).unwrap()
        });
        let layers = if index == 1 { 2..8 } else { 0..0 };
        let scheme = Scheme { prune_layers: layers.collect(), ..Scheme::new(FileType::Q4KM) };
        Self { source, matrix, importance, scheme }
    }

    fn sources(&self) -> Vec<&[u8]> {
        let matrix = self.importance.as_ref().map(|_| self.matrix.as_slice());
        std::iter::once(self.source.as_slice()).chain(matrix).collect()
    }

    fn fit(&self, size: u64, threads: usize) -> Result<Quantized, String> {
        let size: Size = size.to_string().parse().unwrap();
        let fitting = Fitting::new(copying(&self.source), &self.scheme, self.importance.as_ref(), size);
        let fitting = fitting.map_err(|error| error.to_string())?;
        let sources = self.sources();
        let sources: Vec<&dyn Source> = sources.iter().map(|source| source as &dyn Source).collect();
        let threads = NonZeroUsize::new(threads).unwrap();
        let (plan, candidates) = fitting.to_measure();
        let resources = Resources { threads, ..Resources::default() };
        let errors = plan.measure(candidates, &sources, resources, &()).unwrap();
        fitting.choose(&errors).map_err(|error| error.to_string())
    }

    /// The sum of the weighted squared errors of a plan's tensors, measured while it is carried out.
    fn error(&self, plan: &Plan) -> f64 {
        let watch = Watch(Mutex::new(0.0));
        let sources = self.sources();
        let sources: Vec<&dyn Source> =
            sources[..plan.sources.len()].iter().map(|source| source as &dyn Source).collect();
        plan.execute(&sources, &mut std::io::sink(), Resources::default(), &watch).unwrap();
        watch.0.into_inner().unwrap()
    }
}

struct Watch(Mutex<f64>);

impl Observer for Watch {
    fn measures(&self) -> bool {
        true
    }

    fn measured(&self, _tensor: usize, error: SquaredError) {
        *self.0.lock().unwrap() += error.error;
    }
}

/// A size is kept, used up, and used better than by any file type that fits.
fn fits(model: &Model, sizes: &[u64]) {
    for &size in sizes {
        let fitted = model.fit(size, 2).unwrap();
        let got = fitted.plan.size().unwrap();
        assert!(got <= size, "{got} of {size}");
        let again = model.fit(size, 1).unwrap();
        assert_eq!(again.plan, fitted.plan);
        let error = model.error(&fitted.plan);
        let mut compared = 0;
        for file_type in FileType::all() {
            let scheme = Scheme { target: file_type.into(), ..model.scheme.clone() };
            let standard = quantize(copying(&model.source), &scheme, model.importance.as_ref());
            let Ok(plan) = standard.and_then(Quantized::ready) else { continue };
            if plan.check().is_ok() && plan.size().unwrap() <= size {
                let standard = model.error(&plan);
                assert!(error <= standard, "{size}: {error} is not below {standard} of {file_type}");
                compared += 1;
            }
        }
        assert!(size - got <= size / 100, "{got} of {size}");
        println!("{got} of {size} bytes, error {error}, {compared} file types do not do better");
        assert!(compared > 0);
        let sources = model.sources();
        let file = execute_all(&fitted.plan, &sources[..fitted.plan.sources.len()]).unwrap();
        assert_eq!(file.len() as u64, got);
        assert!(Gguf::parse(&file).is_ok());
    }
}

#[test]
fn a_size_is_kept_and_used_better_than_by_any_file_type() {
    fits(&Model::new(0, "none"), &[650_000]);
}

#[test]
fn rows_that_are_no_multiples_of_256_fit_too() {
    fits(&Model::new(1, "small.imatrix.gguf"), &[800_000]);
}

#[test]
fn what_does_not_fit_is_refused_with_the_smallest_size_that_would() {
    let model = Model::new(0, "none");
    let error = model.fit(1000, 2).unwrap_err();
    let least: u64 = error.split(' ').rev().nth(1).unwrap().parse().unwrap();
    assert!(error.starts_with("the model does not fit into 1000 bytes"), "{error}");
    assert_eq!(model.fit(least, 2).unwrap().plan.size().unwrap(), least);
    assert!(model.fit(least - 1, 2).is_err());
}
