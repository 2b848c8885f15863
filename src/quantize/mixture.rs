//! The mixtures: which type a tensor gets, by its role and layer.
//!
//! Source: llama.cpp, `src/llama-quant.cpp`, `llama_tensor_get_type_impl`. Each function below is one role;
//! its `match` can be read beside the branch for that role there.

use super::error::QuantizeError;
use super::file_type::FileType;
use super::model::Model;
use super::role::{Role, layer_of};
use crate::tensor::ElementType::{self, *};
use crate::tensor::Shape;

/// Chooses types for the tensors of a model, which must be offered in the order of the file to come: some
/// rules count the tensors that they have met.
#[derive(Debug)]
pub(super) struct Mixture<'m> {
    model: &'m Model,
    file_type: FileType,
    /// What the output, or what stands for it, is to get instead.
    output_type: Option<ElementType>,
    /// Whether there is an importance matrix, whatever tensors it is for: it changes the rules of some types.
    is_weighted: bool,
    attention_values_met: u32,
    /// Of the feed-forward network, by role.
    up_met: u32,
    gate_met: u32,
    down_met: u32,
}

impl<'m> Mixture<'m> {
    pub(super) fn new(
        model: &'m Model,
        file_type: FileType,
        output_type: Option<ElementType>,
        is_weighted: bool,
    ) -> Self {
        let (attention_values_met, up_met, gate_met, down_met) = (0, 0, 0, 0);
        Self { model, file_type, output_type, is_weighted, attention_values_met, up_met, gate_met, down_met }
    }

    /// The type of the next tensor.
    ///
    /// # Errors
    /// The tensor belongs to a layer that the model does not have.
    pub(super) fn choose(&mut self, name: &str, shape: &Shape) -> Result<ElementType, QuantizeError> {
        if self.model.rules.in_8_bits.iter().any(|part| name.contains(part)) {
            return Ok(Q8_0);
        }
        let role = Role::of(name);
        Ok(match role {
            Role::Output => self.output(shape),
            Role::TokenEmbedding if self.model.ties_embeddings => self.output(shape),
            _ if self.file_type == FileType::Mxfp4Moe => self.mxfp4_of_experts(role, shape),
            Role::TokenEmbedding => self.token_embedding(),
            _ if self.is_below_three_bits() => self.below_three_bits(role),
            Role::AttentionValue => self.attention_value(),
            Role::AttentionKey if self.model.experts == 8 => Q8_0,
            Role::AttentionKey | Role::AttentionQuery => self.attention_key_or_query(),
            Role::AttentionOutput => self.attention_output(),
            Role::FeedForwardDown => {
                let layer = self.layer(name, self.down_met)?;
                self.down_met += 1;
                self.feed_forward_down(layer)
            }
            Role::FeedForwardGate => {
                let layer = self.layer(name, self.gate_met)?;
                self.gate_met += 1;
                self.feed_forward_gate_or_up(layer)
            }
            Role::FeedForwardUp => {
                let layer = self.layer(name, self.up_met)?;
                self.up_met += 1;
                self.feed_forward_gate_or_up(layer)
            }
            Role::Other => self.file_type.base_type(),
        })
    }

    fn output(&self, shape: &Shape) -> ElementType {
        if let Some(output_type) = self.output_type {
            return output_type;
        }
        let base = self.file_type.base_type();
        let fits = shape.row_len().is_multiple_of(base.block_len() as u64);
        match self.file_type {
            FileType::Mxfp4Moe => Q8_0,
            _ if self.is_falcon() || !fits => Q8_0,
            FileType::Iq3Xxs => Q5K,
            _ if self.is_below_three_bits() => Q5K,
            _ if base == Q8_0 => Q8_0,
            _ => Q6K,
        }
    }

    /// Matrices of several experts are told by their third dimension, which the attention of some
    /// architectures has too.
    fn mxfp4_of_experts(&self, role: Role, shape: &Shape) -> ElementType {
        let is_feed_forward =
            matches!(role, Role::FeedForwardUp | Role::FeedForwardGate | Role::FeedForwardDown);
        let is_stacked = shape.dimensions().get(2).is_some_and(|&matrices| matrices > 1);
        let is_expert = is_stacked && (!self.model.rules.stacks_attention || is_feed_forward);
        if is_expert { Mxfp4 } else { Q8_0 }
    }

    fn token_embedding(&self) -> ElementType {
        match self.file_type {
            FileType::Iq2Xxs | FileType::Iq2Xs | FileType::Iq1S | FileType::Iq1M => Q2K,
            FileType::Iq2S | FileType::Iq2M | FileType::Iq3Xxs => Iq3S,
            FileType::Tq1_0 | FileType::Tq2_0 | FileType::Q2_0 => Q4K,
            _ => self.file_type.base_type(),
        }
    }

    fn is_below_three_bits(&self) -> bool {
        matches!(
            self.file_type,
            FileType::Iq1S
                | FileType::Iq1M
                | FileType::Iq2Xxs
                | FileType::Iq2Xs
                | FileType::Iq2S
                | FileType::Iq2M
        )
    }

    /// Everything between the tokens and the output of a model of codebooks of less than three bits.
    fn below_three_bits(&mut self, role: Role) -> ElementType {
        let base = self.file_type.base_type();
        let is_larger = matches!(self.file_type, FileType::Iq2S | FileType::Iq2M);
        let spared = if is_larger { Iq3S } else { Q2K };
        match role {
            Role::AttentionValue => {
                self.attention_values_met += 1;
                if self.model.heads_per_key >= 4 || self.model.experts >= 4 { Q4K } else { spared }
            }
            Role::AttentionKey if self.model.experts == 8 => Q4K,
            Role::FeedForwardDown => {
                let index = self.down_met;
                self.down_met += 1;
                if index < self.model.layers / 8 { spared } else { base }
            }
            Role::AttentionOutput if self.model.experts == 8 => Q5K,
            Role::AttentionOutput if is_larger => Iq3S,
            Role::AttentionOutput if matches!(self.file_type, FileType::Iq1S | FileType::Iq1M) => Iq2Xxs,
            _ => base,
        }
    }

    fn attention_value(&mut self) -> ElementType {
        let (index, count) = (self.attention_values_met, self.model.attention_values);
        self.attention_values_met += 1;
        if self.model.experts == 8 {
            return Q8_0;
        }
        let is_shared = self.model.heads_per_key >= 4;
        let chosen = match self.file_type {
            FileType::Q2K | FileType::Q2KS if is_shared => Q4K,
            FileType::Q2K => Q3K,
            FileType::Iq3Xxs | FileType::Iq3Xs | FileType::Iq3S if is_shared => Q4K,
            FileType::Iq3Xxs if !self.is_weighted => Iq3S,
            FileType::Iq3M => Q4K,
            FileType::Q3KM if index < 2 => Q5K,
            FileType::Q3KM => Q4K,
            FileType::Q3KL => Q5K,
            FileType::Iq4Nl | FileType::Iq4Xs if is_shared => Q5K,
            FileType::Q4KS if index < 4 => Q5K,
            FileType::Q4KM | FileType::Q5KM if gets_more_bits(index, count) => Q6K,
            _ => self.file_type.base_type(),
        };
        if self.model.is_70b && matches!(chosen, Q3K | Q4K) { Q5K } else { chosen }
    }

    fn attention_key_or_query(&self) -> ElementType {
        match self.file_type {
            FileType::Iq3Xs => Iq3Xxs,
            FileType::Iq3Xxs => Iq2S,
            _ => self.file_type.base_type(),
        }
    }

    fn attention_output(&self) -> ElementType {
        use FileType::{Iq3M, Iq3S, Iq3Xs, Iq3Xxs, Iq4Nl, Iq4Xs, Q2K, Q3KL, Q3KM, Q3KS, Q4KM, Q4KS};
        match self.file_type {
            Q3KL if self.is_falcon() => Q4K,
            file_type if self.is_falcon() => file_type.base_type(),
            Q2K | Iq3Xs | Iq3Xxs | Q3KS | Q3KM | Iq4Nl | Q4KS | Q4KM | Iq3S | Iq3M | Iq4Xs
                if self.model.experts == 8 =>
            {
                Q5K
            }
            file_type if self.model.experts == 8 => file_type.base_type(),
            Q2K => Q3K,
            Iq3Xxs => ElementType::Iq3S,
            Q3KM | Iq3M => Q4K,
            Q3KL => Q5K,
            file_type => file_type.base_type(),
        }
    }

    fn feed_forward_down(&self, layer: u32) -> ElementType {
        let layers = self.model.layers;
        let (is_first_eighth, more) = (layer < layers / 8, gets_more_bits(layer, layers));
        match self.file_type {
            FileType::Q2K => Q3K,
            FileType::Q2KS if is_first_eighth => Q4K,
            FileType::Iq3Xxs if !self.is_weighted => {
                if is_first_eighth {
                    Q4K
                } else {
                    Q3K
                }
            }
            FileType::Q3KM if layer < layers / 16 => Q5K,
            FileType::Q3KM if !self.is_falcon() || more => Q4K,
            FileType::Iq3M if is_first_eighth || (self.model.experts == 8 && more) => Q4K,
            FileType::Q3KL if self.is_falcon() => Q4K,
            FileType::Q3KL => Q5K,
            FileType::Q4KM if self.is_falcon() && layer < layers / 16 => Q6K,
            FileType::Q4KM if self.is_falcon() && more => Q5K,
            FileType::Q4KM if !self.is_falcon() && more => Q6K,
            FileType::Iq4Nl | FileType::Iq4Xs if is_first_eighth && !self.is_weighted => Q5K,
            FileType::Q4KS if !self.is_falcon() && is_first_eighth => Q5K,
            FileType::Q5KM if more => Q6K,
            FileType::Q4_0 if is_first_eighth && self.is_weighted => Q4_1,
            FileType::Q5_0 if is_first_eighth && self.is_weighted => Q5_1,
            _ => self.file_type.base_type(),
        }
    }

    fn feed_forward_gate_or_up(&self, layer: u32) -> ElementType {
        let layers = self.model.layers;
        let is_inner = layer >= layers / 8 && layer < 7 * layers / 8;
        if self.file_type == FileType::Iq3Xs && is_inner { Iq3Xxs } else { self.file_type.base_type() }
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
        self.model.rules.has_mixtures_of_falcon
    }
}

/// The first and the last eighth of the layers, and every third in between.
fn gets_more_bits(index: u32, count: u32) -> bool {
    let eighth = count / 8;
    index < eighth || index >= 7 * count / 8 || (index - eighth) % 3 == 2
}
