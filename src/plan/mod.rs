//! Plan, then execute: what a model file to come consists of, and the one executor that makes it.
//!
//! A [`Plan`] is a plain value made from headers and configuration alone. Its sources are byte
//! ranges that the caller hands to the executor; this room knows neither files nor the store.

mod batch;
mod changed;
mod codes;
mod derivation;
mod derivation_error;
mod digest;
mod distance;
mod elements;
mod error;
mod evaluate;
mod execute;
mod exponential;
mod gather;
mod gguf;
mod group;
mod importance;
mod location;
mod measure;
mod member;
mod node;
mod observer;
mod operation;
mod ordered;
mod program;
mod resources;
mod sine;
mod source;
mod split;
mod square_root;
mod squared_error;
mod stored;
mod table;
mod view;
mod walk;
mod weighing;
mod work;

pub use batch::{Batch, Output};
pub use codes::{Codes, Levels, Packing, Word};
pub use derivation::{Change, Derivation};
pub use derivation_error::DerivationError;
pub use digest::REVISION;
pub use distance::{Readable, distances};
pub use error::PlanError;
pub use exponential::exponential;
pub use gguf::{Shard, ShardError, forget_split};
pub use importance::Importance;
pub use location::Location;
pub use observer::Observer;
pub use operation::{Arithmetic, Constant, Operation};
pub use resources::Resources;
pub use sine::{cosine, sine};
pub use source::Source;
pub use square_root::square_root;
pub use squared_error::{SquaredError, SquaredErrors};
pub use stored::{Encoding, Spread, Stored};
pub use table::Table;
pub use view::View;

use crate::gguf::{Metadata, TensorDescription};
use crate::tensor::{ElementType, Shape, TensorError};

/// The complete description of a GGUF file to be made.
///
/// ```
/// use ollamake::gguf::{Gguf, Metadata};
/// use ollamake::plan::{Derivation, Location, Plan, PlannedTensor, Resources, SourceDescription, Stored};
/// use ollamake::tensor::ElementType;
///
/// // Two numbers that lie somewhere in single precision become a tensor in half precision.
/// let numbers: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|number| number.to_le_bytes()).collect();
/// let place = Location { source: 0, offset: 0 };
/// let derivation = Derivation::stored(Stored::plain(place, ElementType::F32, &[2]))?;
/// let plan = Plan {
///     sources: vec![SourceDescription { label: "numbers".to_owned(), length: 8 }],
///     metadata: Metadata::new(),
///     tensors: vec![PlannedTensor::new("t", ElementType::F16, derivation)?],
/// };
/// // Its size is known before anything is read.
/// let size = plan.size()?;
///
/// let mut file = Vec::new();
/// plan.execute(&[&numbers], &mut file, Resources::default(), &())?;
/// assert_eq!(file.len() as u64, size);
/// let data = Gguf::parse(&file)?.tensors()[0].data.clone();
/// assert_eq!(file[data.start as usize..data.end as usize], [0x00, 0x3e, 0x00, 0xc0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The sources that derivations refer to by index.
    pub sources: Vec<SourceDescription>,
    /// The key-value section, in file order.
    pub metadata: Metadata,
    /// The tensors, in file order.
    pub tensors: Vec<PlannedTensor>,
}

/// One source of bytes, as far as a plan needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceDescription {
    /// What the person who asked calls it ("model-00001-of-00002.safetensors"); for messages only.
    pub label: String,
    /// Its length in bytes.
    pub length: u64,
}

/// One tensor of the file to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedTensor {
    /// The name in the file.
    pub name: String,
    /// The shape in the file, fastest dimension first. Its element count is the derivation's.
    pub shape: Shape,
    /// The element type in the file.
    pub element_type: ElementType,
    /// How its elements come about.
    pub derivation: Derivation,
    /// How much its columns matter, where that is known; only what is quantized is weighed by it.
    pub importance: Option<Importance>,
}

impl PlannedTensor {
    /// A tensor with the dimensions of its derivation, whose columns all matter alike.
    ///
    /// # Errors
    /// The derivation has more than four dimensions or none.
    pub fn new(
        name: impl Into<String>,
        element_type: ElementType,
        derivation: Derivation,
    ) -> Result<Self, TensorError> {
        let shape = Shape::from_slowest_first(&derivation.dimensions())?;
        Ok(Self { name: name.into(), shape, element_type, derivation, importance: None })
    }
    fn description(&self) -> TensorDescription<'_> {
        TensorDescription { name: &self.name, shape: self.shape, element_type: self.element_type }
    }
}
