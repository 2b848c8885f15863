//! The lengths of a model's tensors, in terms of what its metadata say.

use serde_json::Value as Json;

use super::{ConvertError, Model};
use crate::gguf::{Array, Metadata, Value};

/// A length of a shape: a sum of products of numbers; without terms it can be anything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length(pub(super) &'static [Term]);

/// A product of numbers, so many times; negative ones are subtracted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term(pub(super) i64, pub(super) &'static [Number]);

/// A number that the metadata state, for all layers or for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Width,
    Vocabulary,
    Context,
    Heads,
    KeyHeads,
    KeySize,
    ValueSize,
    RotarySize,
    QueryRank,
    LatentRank,
    FeedForward,
    Experts,
    ExpertWidth,
    SharedWidth,
    StateInner,
    StateKernel,
    CacheKernel,
    FeatureWidth,
    PosnetWidth,
}

/// What is known of a model when its tensors are.
pub(super) struct Facts<'f> {
    pub(super) model: &'f Model,
    /// What the metadata call the architecture.
    pub(super) architecture: &'static str,
    pub(super) metadata: &'f Metadata,
    /// The rows of the embeddings.
    pub(super) vocabulary: Option<u64>,
}

/// Where a number is looked up: in which layer, and whether what is said of sliding attention goes first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) layer: Option<usize>,
    pub(super) slides: bool,
}

impl Length {
    /// What it comes to; nothing if it can be anything, or something that it depends on is not stated.
    pub(super) fn of(self, facts: &Facts<'_>, place: Place) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        let term = |Term(times, numbers): &Term| {
            let product = |product: i64, number: &Number| {
                product.checked_mul(i64::try_from(number.of(facts, place)?).ok()?)
            };
            numbers.iter().try_fold(*times, product)
        };
        let sum = self.0.iter().try_fold(0_i64, |sum, next| sum.checked_add(term(next)?))?;
        u64::try_from(sum).ok()
    }

    /// The numbers that it depends on.
    pub(super) fn numbers(self) -> impl Iterator<Item = Number> {
        self.0.iter().flat_map(|Term(_, numbers)| numbers.iter().copied())
    }
}

impl Number {
    /// The number itself. Where there are no heads, what stands in the place of attention has lengths of its
    /// own.
    fn of(self, facts: &Facts<'_>, place: Place) -> Option<u64> {
        match self {
            Self::Vocabulary => facts.vocabulary,
            Self::Width => facts.stated("embedding_length", place),
            Self::Context => facts.stated("context_length", place),
            Self::Heads => {
                let heads = facts.stated("attention.head_count", place).filter(|heads| *heads > 0);
                heads.filter(|_| facts.stated("attention.head_count_kv", place) != Some(0))
            }
            Self::KeyHeads => {
                let heads = facts.stated("attention.head_count_kv", place);
                heads.or_else(|| Self::Heads.of(facts, place)).filter(|heads| *heads > 0)
            }
            Self::KeySize => facts.head_size("key_length", place),
            Self::ValueSize => facts.head_size("value_length", place),
            Self::RotarySize => facts.stated("rope.dimension_count", place),
            Self::QueryRank => facts.stated("attention.q_lora_rank", place),
            Self::LatentRank => facts.stated("attention.kv_lora_rank", place),
            Self::FeedForward => facts.stated("feed_forward_length", place),
            Self::Experts => facts.stated("expert_count", place),
            Self::ExpertWidth => facts
                .stated("expert_feed_forward_length", place)
                .or_else(|| facts.stated("feed_forward_length", place)),
            Self::SharedWidth => facts.stated("expert_shared_feed_forward_length", place).or_else(|| {
                let shared = facts.stated("expert_shared_count", place).unwrap_or(1);
                Self::ExpertWidth.of(facts, place)?.checked_mul(shared)
            }),
            Self::StateInner => facts.stated("ssm.inner_size", place),
            Self::StateKernel => facts.stated("ssm.conv_kernel", place),
            Self::CacheKernel => facts.stated("shortconv.l_cache", place),
            Self::FeatureWidth => facts.stated("features_length", place),
            Self::PosnetWidth => facts.stated("posnet.embedding_length", place),
        }
    }

    /// Whether the metadata state it, for all layers or for one.
    pub(super) fn is_stated(self, facts: &Facts<'_>) -> bool {
        self.of(facts, Place { layer: None, slides: false }).is_some()
    }

    /// The error of a configuration that does not state it.
    pub(super) fn missing(self, facts: &Facts<'_>) -> ConvertError {
        facts.model.configuration.missing(self.keys())
    }

    /// The configuration keys that may state it; the first that is there does.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Width => &["hidden_size", "n_embd", "dim", "d_model"],
            Self::Vocabulary => &["vocab_size"],
            Self::Context => &["max_position_embeddings", "n_positions", "n_ctx"],
            Self::Heads => &["num_attention_heads", "n_head", "n_heads", "num_heads"],
            Self::KeyHeads => &["num_key_value_heads", "n_kv_heads", "num_attention_heads", "n_head"],
            Self::KeySize => &["qk_nope_head_dim", "head_dim", "d_kv"],
            Self::ValueSize => &["v_head_dim", "head_dim", "d_kv"],
            Self::RotarySize => &["qk_rope_head_dim", "rotary_dim", "partial_rotary_factor"],
            Self::QueryRank => &["q_lora_rank"],
            Self::LatentRank => &["kv_lora_rank"],
            Self::FeedForward => &["intermediate_size", "n_inner", "hidden_dim", "d_ff", "ffn_hidden_size"],
            Self::Experts => &["num_local_experts", "num_experts", "n_routed_experts"],
            Self::ExpertWidth => &["moe_intermediate_size", "intermediate_size"],
            Self::SharedWidth => &["shared_expert_intermediate_size", "moe_intermediate_size"],
            Self::StateInner => &["mamba_d_ssm", "mamba_expand", "expand", "intermediate_size"],
            Self::StateKernel => &["conv_kernel", "mamba_d_conv", "d_conv", "linear_conv_kernel_dim"],
            Self::CacheKernel => &["conv_L_cache"],
            Self::FeatureWidth => &["n_embd_features"],
            Self::PosnetWidth => &["posnet"],
        }
    }
}

impl Facts<'_> {
    /// A number that the metadata state, for a layer where there is a list of them.
    pub(super) fn stated(&self, key: &str, place: Place) -> Option<u64> {
        let architecture = self.architecture;
        let sliding = place.slides.then(|| self.metadata.get(&format!("{architecture}.{key}_swa"))).flatten();
        let value = sliding.or_else(|| self.metadata.get(&format!("{architecture}.{key}")))?;
        let number = |numbers: &[i64]| match place.layer {
            Some(layer) => numbers.get(layer).copied(),
            None => numbers.iter().max().copied(),
        };
        match value {
            Value::Array(Array::I32(numbers)) => {
                let numbers: Vec<i64> = numbers.iter().copied().map(i64::from).collect();
                u64::try_from(number(&numbers)?).ok()
            }
            Value::Array(Array::U32(numbers)) => {
                let numbers: Vec<i64> = numbers.iter().copied().map(i64::from).collect();
                u64::try_from(number(&numbers)?).ok()
            }
            value => value.as_u64(),
        }
    }

    /// The size of a key or a value: what latent attention says, what is stated, or an equal share of the
    /// width.
    fn head_size(&self, key: &str, place: Place) -> Option<u64> {
        let stated = self.stated(&format!("attention.{key}_mla"), place);
        stated.or_else(|| self.stated(&format!("attention.{key}"), place)).or_else(|| {
            let everywhere = Place { layer: None, ..place };
            Number::Width.of(self, place)?.checked_div(Number::Heads.of(self, everywhere)?)
        })
    }

    /// What the configuration says that such lengths follow from, for people.
    pub(super) fn explained(&self, lengths: impl Iterator<Item = Length>) -> String {
        let configuration = &self.model.configuration;
        let mut said: Vec<String> = Vec::new();
        let mut say = |keys: &[&str]| {
            let stated = keys.iter().find_map(|key| Some((key, configuration.value(key)?)));
            if let Some((key, value)) = stated {
                let value = if value.is_array() { "a list".to_owned() } else { value.to_string() };
                let text = format!("{key} is {value}");
                if !said.contains(&text) {
                    said.push(text);
                }
            }
        };
        for number in lengths.flat_map(Length::numbers) {
            match number {
                Number::KeySize | Number::ValueSize if self.shares_width(number) => {
                    say(Number::Width.keys());
                    say(Number::Heads.keys());
                }
                _ => say(number.keys()),
            }
        }
        said.join(", ")
    }

    /// Whether a head is an equal share of the width, so that it does not matter who says so.
    fn shares_width(&self, number: Number) -> bool {
        let place = Place { layer: None, slides: false };
        let share = || Number::Width.of(self, place)?.checked_div(Number::Heads.of(self, place)?);
        let latent = ["qk_nope_head_dim", "v_head_dim"];
        let stated = self.model.configuration.value("head_dim").and_then(Json::as_u64);
        !latent.iter().any(|key| self.model.configuration.value(key).is_some())
            && (stated.is_none() || stated == share() && number.of(self, place) == share())
    }
}
