//! The mixtures: which type a tensor gets, by its role and layer.
//!
//! Source: llama.cpp, `src/llama-quant.cpp`, `llama_tensor_get_type_impl` and `tensor_type_fallback`, as far as
//! they concern the types made here and no importance matrix. Each function below is one role; its `match` can be
//! read beside the branch for that role there.

use super::eligible::is_eligible;
use super::error::QuantizeError;
use super::file_type::FileType;
use super::model::Model;
use super::role::{Role, layer_of};
use crate::tensor::ElementType::{self, *};
use crate::tensor::Shape;

/// Chooses types for the tensors of a model, which must be offered in the order of the file to come: some rules
/// count the tensors that they have met.
#[derive(Debug)]
pub(super) struct Mixture<'m> {
    model: &'m Model,
    file_type: FileType,
    attention_values_met: u32,
    /// Of the feed-forward network, by role.
    up_met: u32,
    gate_met: u32,
    down_met: u32,
}

impl<'m> Mixture<'m> {
    pub(super) fn new(model: &'m Model, file_type: FileType) -> Self {
        Self { model, file_type, attention_values_met: 0, up_met: 0, gate_met: 0, down_met: 0 }
    }

    /// The type of the next tensor; `None` if it keeps the one it has.
    ///
    /// # Errors
    /// The tensor belongs to a layer that the model does not have.
    pub(super) fn choose(&mut self, name: &str, shape: &Shape) -> Result<Option<ElementType>, QuantizeError> {
        if !is_eligible(&self.model.architecture, name, shape) {
            return Ok(None);
        }
        let base = self.file_type.base_type();
        if !base.is_quantized() {
            return Ok(Some(base));
        }
        let chosen = self.by_role(name, shape)?;
        Ok(Some(fitting(chosen, shape.row_len())))
    }

    fn by_role(&mut self, name: &str, shape: &Shape) -> Result<ElementType, QuantizeError> {
        const SPARED_BY_GLM5_NEXT: [&str; 3] = ["attn_q_a", "attn_q_b", "nextn.eh_proj"];
        if self.model.architecture == "glm5-next"
            && SPARED_BY_GLM5_NEXT.iter().any(|part| name.contains(part))
        {
            return Ok(Q8_0);
        }
        let base = self.file_type.base_type();
        Ok(match Role::of(name) {
            Role::Output => self.output(shape),
            Role::TokenEmbedding if self.model.ties_embeddings => self.output(shape),
            Role::TokenEmbedding | Role::Other => base,
            Role::AttentionValue => self.attention_value(),
            Role::AttentionKey if self.model.experts == 8 => Q8_0,
            Role::AttentionKey => base,
            Role::AttentionOutput => self.attention_output(),
            Role::FeedForwardDown => {
                let layer = self.layer(name, self.down_met)?;
                self.down_met += 1;
                self.feed_forward_down(layer)
            }
            // No mixture made here treats these two differently, but a layer that is not there is refused.
            Role::FeedForwardGate => {
                self.layer(name, self.gate_met)?;
                self.gate_met += 1;
                base
            }
            Role::FeedForwardUp => {
                self.layer(name, self.up_met)?;
                self.up_met += 1;
                base
            }
        })
    }

    fn output(&self, shape: &Shape) -> ElementType {
        let base = self.file_type.base_type();
        let fits = shape.row_len().is_multiple_of(base.block_len() as u64);
        if self.is_falcon() || !fits || base == Q8_0 { Q8_0 } else { Q6K }
    }

    fn attention_value(&mut self) -> ElementType {
        let (index, count) = (self.attention_values_met, self.model.attention_values);
        self.attention_values_met += 1;
        if self.model.experts == 8 {
            return Q8_0;
        }
        let chosen = match self.file_type {
            FileType::Q2K if self.model.heads_per_key >= 4 => Q4K,
            FileType::Q2K => Q3K,
            FileType::Q3KM if index < 2 => Q5K,
            FileType::Q3KM => Q4K,
            FileType::Q3KL => Q5K,
            FileType::Q4KS if index < 4 => Q5K,
            FileType::Q4KM | FileType::Q5KM if gets_more_bits(index, count) => Q6K,
            _ => self.file_type.base_type(),
        };
        if self.model.is_70b && matches!(chosen, Q3K | Q4K) { Q5K } else { chosen }
    }

    fn attention_output(&self) -> ElementType {
        let base = self.file_type.base_type();
        match self.file_type {
            FileType::Q3KL if self.is_falcon() => Q4K,
            _ if self.is_falcon() => base,
            FileType::Q2K | FileType::Q3KS | FileType::Q3KM | FileType::Q4KS | FileType::Q4KM
                if self.model.experts == 8 =>
            {
                Q5K
            }
            _ if self.model.experts == 8 => base,
            FileType::Q2K => Q3K,
            FileType::Q3KM => Q4K,
            FileType::Q3KL => Q5K,
            _ => base,
        }
    }

    fn feed_forward_down(&self, layer: u32) -> ElementType {
        let layers = self.model.layers;
        let more = gets_more_bits(layer, layers);
        match self.file_type {
            FileType::Q2K => Q3K,
            FileType::Q3KM if layer < layers / 16 => Q5K,
            FileType::Q3KM if !self.is_falcon() || more => Q4K,
            FileType::Q3KL if self.is_falcon() => Q4K,
            FileType::Q3KL => Q5K,
            FileType::Q4KM if self.is_falcon() && layer < layers / 16 => Q6K,
            FileType::Q4KM if self.is_falcon() && more => Q5K,
            FileType::Q4KM if !self.is_falcon() && more => Q6K,
            FileType::Q4KS if !self.is_falcon() && layer < layers / 8 => Q5K,
            FileType::Q5KM if more => Q6K,
            _ => self.file_type.base_type(),
        }
    }

    /// The layer of a feed-forward tensor: how many of its role came before it. Among experts, which need not
    /// come in order, it is read from the name.
    fn layer(&self, name: &str, met: u32) -> Result<u32, QuantizeError> {
        if self.model.experts <= 1 {
            return Ok(met);
        }
        let layers = self.model.layers;
        let layer = layer_of(name).and_then(|layer| u32::try_from(layer).ok());
        layer
            .filter(|&layer| layer < layers)
            .ok_or_else(|| QuantizeError::Layer { tensor: name.to_owned(), layers })
    }

    fn is_falcon(&self) -> bool {
        self.model.architecture == "falcon"
    }
}

/// The first and the last eighth of the layers, and every third in between.
fn gets_more_bits(index: u32, count: u32) -> bool {
    let eighth = count / 8;
    index < eighth || index >= 7 * count / 8 || (index - eighth) % 3 == 2
}

/// The type itself, if whole blocks of it make up a row, or what replaces it.
fn fitting(chosen: ElementType, row: u64) -> ElementType {
    let fits = |element_type: ElementType| row.is_multiple_of(element_type.block_len() as u64);
    if fits(chosen) {
        return chosen;
    }
    let smaller = match chosen {
        Q2K | Q3K => Q4_0,
        Q4K => Q5_0,
        Q5K => Q5_1,
        Q6K => Q8_0,
        other => other,
    };
    if fits(smaller) { smaller } else { F16 }
}
