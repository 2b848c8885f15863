//! Models that are to fit into a size, and what is measured for that.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use ollamake::gguf::Gguf;
use ollamake::plan::{Observer, Plan, Resources, Source, SourceDescription, SquaredError};
use ollamake::quantize::{FileType, Fitting, ImportanceMatrix, Quantized, Scheme, Selection, Size, quantize};
use ollamake::tensor::ElementType;

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

    fn fitting(&self, size: u64) -> Fitting {
        let size: Size = size.to_string().parse().unwrap();
        Fitting::new(copying(&self.source), &self.scheme, self.importance.as_ref(), size).unwrap()
    }

    /// The errors of all candidates, which do not depend on the size.
    fn measure(&self, threads: usize) -> Vec<Vec<f64>> {
        let fitting = self.fitting(1);
        let sources = self.sources();
        let sources: Vec<&dyn Source> = sources.iter().map(|source| source as &dyn Source).collect();
        let (plan, candidates) = fitting.to_measure();
        let resources = Resources { threads: NonZeroUsize::new(threads).unwrap(), ..Resources::default() };
        plan.measure(candidates, &sources, resources, &()).unwrap()
    }

    /// The plan of a file type without a size, if it can be carried out.
    fn standard(&self, file_type: FileType) -> Option<Plan> {
        let scheme = Scheme { target: file_type.into(), ..self.scheme.clone() };
        let quantized = quantize(copying(&self.source), &scheme, self.importance.as_ref());
        quantized.and_then(Quantized::ready).ok().filter(|plan| plan.check().is_ok())
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

/// The candidates of each tensor with their sizes in the file and their errors; none where the type is
/// settled.
struct Candidates(Vec<Vec<(ElementType, u64, f64)>>);

impl Candidates {
    fn new(fitting: &Fitting, errors: &[Vec<f64>]) -> Self {
        let (plan, candidates) = fitting.to_measure();
        let tensors = plan.tensors.iter().zip(candidates).zip(errors).map(|((tensor, types), errors)| {
            let size = |element_type: ElementType| {
                element_type.tensor_bytes(&tensor.shape).unwrap().next_multiple_of(32)
            };
            types.iter().zip(errors).map(|(&one, &error)| (one, size(one), error)).collect()
        });
        Self(tensors.collect())
    }

    /// What the tensors of a plan are among the candidates.
    fn chosen<'c>(
        &'c self,
        plan: &'c Plan,
    ) -> impl Iterator<Item = (&'c [(ElementType, u64, f64)], u64, f64)> {
        self.0.iter().zip(&plan.tensors).filter(|(types, _)| !types.is_empty()).map(|(types, tensor)| {
            let known = types.iter().find(|(known, ..)| *known == tensor.element_type);
            let (_, size, error) = known.unwrap_or_else(|| panic!("{} is no candidate", tensor.name));
            (types.as_slice(), *size, *error)
        })
    }

    /// The sum of the errors of a plan.
    fn error(&self, plan: &Plan) -> f64 {
        self.chosen(plan).map(|(_, _, error)| error).sum()
    }

    /// By how many bytes the plan would grow at least, if the error of a tensor were to be smaller.
    fn smallest_step(&self, plan: &Plan) -> u64 {
        let steps = self.chosen(plan).flat_map(|(types, size, error)| {
            let better = types.iter().filter(move |(_, _, other)| *other < error);
            better.map(move |(_, other, _)| other.saturating_sub(size))
        });
        steps.min().unwrap_or(u64::MAX)
    }
}

/// Every size is kept, used up, and used better than by every file type that fits into it.
fn fits(model: &Model) {
    let errors = model.measure(2);
    let candidates = Candidates::new(&model.fitting(1), &errors);
    let standards: Vec<(FileType, Plan)> =
        FileType::all().filter_map(|one| Some((one, model.standard(one)?))).collect();
    assert!(standards.len() >= 20, "{}", standards.len());
    let mut sizes: Vec<u64> = standards.iter().map(|(_, plan)| plan.size().unwrap()).collect();
    sizes.sort_unstable();
    let (smallest, largest) = (sizes[0], sizes[sizes.len() - 1]);
    // What the file types take exactly, a little less, and sizes in between.
    sizes.extend(sizes.clone().into_iter().map(|size| size - 1));
    sizes.extend((1..40).map(|part| smallest + (largest - smallest) / 40 * part));
    let mut compared = 0;
    for size in sizes.into_iter().filter(|&size| size > smallest) {
        let fitted = model.fitting(size).choose(&errors).unwrap().plan;
        let got = fitted.size().unwrap();
        assert!(got <= size, "{got} of {size}");
        let left = size - got;
        assert!(left <= size / 100 || left < candidates.smallest_step(&fitted), "{got} of {size}");
        let error = candidates.error(&fitted);
        for (file_type, plan) in standards.iter().filter(|(_, plan)| plan.size().unwrap() <= size) {
            let standard = candidates.error(plan);
            // What F16 and F32 hold of this model is all that there is.
            let is_whole = standard == 0.0 && error == 0.0;
            assert!(error < standard || is_whole, "{size}: {error} is not below {standard} of {file_type}");
            compared += 1;
        }
    }
    assert!(compared >= 400, "{compared}");

    // What was measured beforehand is what comes of it.
    let size = (smallest + largest) / 3;
    let fitted = model.fitting(size).choose(&errors).unwrap().plan;
    let (expected, got) = (candidates.error(&fitted), model.error(&fitted));
    assert!((got - expected).abs() <= 1e-9 * expected, "{got} and {expected}");
    let sources = model.sources();
    let file = execute_all(&fitted, &sources[..fitted.sources.len()]).unwrap();
    assert!(file.len() as u64 <= size && Gguf::parse(&file).is_ok());
}

#[test]
fn a_size_is_kept_and_used_better_than_by_any_file_type() {
    fits(&Model::new(0, "none"));
}

#[test]
fn rows_that_are_no_multiples_of_256_fit_too() {
    fits(&Model::new(1, "small.imatrix.gguf"));
}

#[test]
fn what_does_not_fit_is_refused_with_the_smallest_size_that_would() {
    let model = Model::new(4, "none");
    let errors = model.measure(2);
    let fit = |size| model.fitting(size).choose(&errors).map_err(|error| error.to_string());
    let error = fit(1000).unwrap_err();
    let least: u64 = error.split(' ').rev().nth(1).unwrap().parse().unwrap();
    assert!(error.starts_with("the model does not fit into 1000 bytes"), "{error}");
    assert_eq!(fit(least).unwrap().plan.size().unwrap(), least);
    assert!(fit(least - 1).is_err());
    // What is measured does not depend on how many threads measure.
    assert_eq!(model.measure(1), errors);
}
