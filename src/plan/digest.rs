//! The digest of a plan: a name for the file that comes out, under which results are remembered.
//!
//! It is taken over a form written by hand, in which every list and every text begins with its length and
//! every choice with a number of its own, so different plans have different forms. Metadata, names, shapes
//! and element types stand in it as they will stand in the header of the file. What is matched below is
//! matched in full: a new field or variant does not compile until it has its place.

use sha2::{Digest as _, Sha256};

use super::codes::{Codes, Levels, Packing, Word};
use super::importance::Importance;
use super::location::Location;
use super::operation::{Arithmetic, Operation};
use super::stored::{Encoding, Spread, Stored};
use super::view::{Elements, Factor, View};
use super::{Change, Derivation, Plan, PlanError, PlannedTensor, SourceDescription};
use crate::model::Digest;
use crate::tensor::ElementType;

/// The revision of everything that makes bytes of a plan. It has to be raised when an operation, a kernel or
/// the executor gives other bytes for the same plan: what was remembered before is then made again. A test
/// holds it against the expected bytes (`tests/fixtures/revision.json`).
pub const REVISION: u32 = 1;

impl Plan {
    /// A digest of everything that decides what is made: the plan, the content of its sources whatever they
    /// are called, and the [`REVISION`] of what executes it. `contents` are the digests of the sources in
    /// order.
    ///
    /// # Errors
    /// The header of the file is impossible.
    pub fn digest(&self, contents: &[Digest]) -> Result<Digest, PlanError> {
        let Self { sources, metadata: _, tensors } = self;
        let mut form = Form(Sha256::new());
        form.text(b"plan");
        form.number(REVISION.into());
        form.list(contents, |form, content| form.text(content.as_bytes()));
        form.list(sources, |form, SourceDescription { label: _, length }| form.number(*length));
        form.text(self.header()?.bytes());
        form.list(tensors, Form::tensor);
        Ok(Digest::from_bytes(form.0.finalize().into()))
    }
}

/// What is hashed.
struct Form(Sha256);

impl Form {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    /// Which of several variants follows.
    fn choice(&mut self, number: u8) {
        self.0.update([number]);
    }

    fn text(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn list<T>(&mut self, items: &[T], put: impl Fn(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| put(self, item));
    }

    fn tensor(&mut self, tensor: &PlannedTensor) {
        // The rest is in the header.
        let PlannedTensor { name: _, shape: _, element_type: _, derivation, importance } = tensor;
        self.derivation(derivation);
        match importance {
            None => self.choice(0),
            Some(Importance { sums, counts }) => {
                self.choice(1);
                self.derivation(sums);
                self.derivation(counts);
            }
        }
    }

    fn derivation(&mut self, derivation: &Derivation) {
        match derivation {
            Derivation::View(view) => {
                self.choice(0);
                self.view(view);
            }
            Derivation::Concatenate { axis, inputs } => {
                self.choice(1);
                self.number(*axis as u64);
                self.list(inputs, Self::derivation);
            }
            Derivation::Map { operation, input } => {
                self.choice(2);
                self.operation(*operation);
                self.derivation(input);
            }
            Derivation::Pair { operation, inputs } => {
                self.choice(3);
                self.choice(match operation {
                    Arithmetic::Add => 0,
                    Arithmetic::Subtract => 1,
                    Arithmetic::Multiply => 2,
                    Arithmetic::Divide => 3,
                });
                inputs.iter().for_each(|input| self.derivation(input));
            }
            Derivation::Changed { base, changes } => {
                self.choice(4);
                self.derivation(base);
                self.list(changes, Self::change);
            }
        }
    }

    fn change(&mut self, change: &Change) {
        let Change { inputs, outputs, scale, lengths } = change;
        self.derivation(inputs);
        self.derivation(outputs);
        self.number(scale.value().to_bits().into());
        match lengths {
            None => self.choice(0),
            Some(lengths) => {
                self.choice(1);
                self.derivation(lengths);
            }
        }
    }

    fn view(&mut self, view: &View) {
        let View { elements, offset, axes } = view;
        match elements {
            Elements::Stored(stored) => {
                self.choice(0);
                self.stored(stored);
            }
            Elements::Values(values) => {
                self.choice(1);
                self.list(values, |form, value| form.number(value.to_bits().into()));
            }
        }
        self.number(*offset);
        self.list(axes, |form, axis| {
            form.list(axis, |form, Factor { length, stride }| {
                form.number(*length);
                form.number(*stride);
            });
        });
    }

    fn stored(&mut self, stored: &Stored) {
        let Stored { location, encoding, dimensions, spread } = stored;
        self.location(*location);
        self.list(dimensions, |form, length| form.number(*length));
        match encoding {
            Encoding::Plain(element_type) => {
                self.choice(0);
                self.element_type(*element_type);
            }
            Encoding::Codes(codes) => {
                self.choice(1);
                self.codes(*codes);
            }
            Encoding::Mxfp4 { exponents } => {
                self.choice(2);
                self.location(*exponents);
            }
            Encoding::Nvfp4 { scales } => {
                self.choice(3);
                self.location(*scales);
            }
        }
        match spread {
            Spread::Each => self.choice(0),
            Spread::Blocks { rows, columns } => {
                self.choice(1);
                self.number(*rows);
                self.number(*columns);
            }
            Spread::Chosen { axis, numbers, count } => {
                self.choice(2);
                self.number(*axis as u64);
                self.location(*numbers);
                self.number(*count);
            }
        }
    }

    fn codes(&mut self, Codes { bits, packing, levels }: Codes) {
        let Packing { codes, words, word, abreast, high_first } = packing;
        self.number(bits.into());
        [codes, words, abreast].into_iter().for_each(|number| self.number(number));
        self.choice(match word {
            Word::Byte => 0,
            Word::Four => 1,
        });
        self.choice(high_first.into());
        match levels {
            Levels::Unsigned => self.choice(0),
            Levels::Signed => self.choice(1),
            Levels::F8E4M3 => self.choice(2),
            Levels::F8E5M2 => self.choice(3),
            Levels::F8E8M0 => self.choice(4),
            Levels::F4E2M1 => self.choice(5),
            Levels::Table(location) => {
                self.choice(6);
                self.location(location);
            }
        }
    }

    fn location(&mut self, Location { source, offset }: Location) {
        self.number(source as u64);
        self.number(offset);
    }

    fn operation(&mut self, operation: Operation) {
        match operation {
            Operation::AddOne => self.choice(0),
            Operation::NegatedExponential => self.choice(1),
            Operation::Round(element_type) => {
                self.choice(2);
                self.element_type(element_type);
            }
            Operation::RequireFinite => self.choice(3),
            Operation::Exponential => self.choice(4),
            Operation::Multiply(constant) => {
                self.choice(5);
                self.number(constant.value().to_bits().into());
            }
            Operation::Add(constant) => {
                self.choice(6);
                self.number(constant.value().to_bits().into());
            }
            Operation::Widen => self.choice(7),
            Operation::Ternary => self.choice(8),
            Operation::Centre => self.choice(9),
        }
    }

    fn element_type(&mut self, element_type: ElementType) {
        self.number(element_type.id().into());
    }
}
