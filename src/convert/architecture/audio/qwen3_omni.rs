//! Qwen3-Omni, whose thinker is Qwen3-VL with experts, and Qwen3-ASR, which only hears.

use std::borrow::Cow;

use super::convolution::{self, plane};
use super::qwen_omni::thinker_part;
use super::sinusoid;
use super::whisper::{self, LAYERS};
use crate::convert::ConvertError;
use crate::convert::architecture::common::text_name;
use crate::convert::architecture::{Family, qwen2, qwen2moe, qwen3vl, qwen3vlmoe};
use crate::convert::configuration::{Class, Derived, Part};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;

/// What ends an answer also begins a text.
const FLAVOUR: Flavour =
    Flavour { begins_and_ends: Some("<|im_end|>"), ..Flavour::SENTENCE_PIECE_OR_BYTE_PAIR };

pub(super) const OMNI: Family = Family {
    names: &["Qwen3OmniMoeForConditionalGeneration"],
    classes: &[
        Class::of_parts("qwen3_omni_moe", &[Part::of("thinker_config", "qwen3_omni_moe_thinker")]),
        Class::of_parts(
            "qwen3_omni_moe_thinker",
            &[
                Part::of("text_config", "qwen3_omni_moe_text"),
                Part::of("vision_config", "qwen3_omni_moe_vision_encoder"),
                Part::of("audio_config", "qwen3_omni_moe_audio_encoder"),
            ],
        ),
        Class::new(
            "qwen3_omni_moe_text",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 3584, "max_position_embeddings": 32768, "hidden_size": 2048,
            "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
            "num_key_value_heads": 4, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "num_experts": 128,
            "num_experts_per_tok": 8, "moe_intermediate_size": 768}"#,
        ),
        Class { model_type: "qwen3_omni_moe_vision_encoder", ..qwen3vl::VISION },
        Class::new(
            "qwen3_omni_moe_audio_encoder",
            &[],
            r#"{"num_mel_bins": 128, "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20,
            "encoder_ffn_dim": 5120}"#,
        ),
    ],
    tokenizer: FLAVOUR,
    hyperparameters: |subject, out| {
        qwen2moe::hyperparameters(subject, out)?;
        out.count("n_deepstack_layers", 0)
    },
    rename: |_, name| text_name(name.strip_prefix("thinker.").unwrap_or(name)),
    projector: Some(&PROJECTOR),
    ..qwen3vlmoe::FAMILY
};

/// Speech to text.
pub(super) const ASR: Family = Family {
    names: &["Qwen3ASRForConditionalGeneration"],
    classes: &[],
    tokenizer: Flavour { own_template: Some(CHATML), ..FLAVOUR },
    hyperparameters: |subject, out| {
        qwen2::hyperparameters(subject, out)?;
        out.count("n_deepstack_layers", 0)
    },
    rename: OMNI.rename,
    projector: Some(&LISTENER),
    ..qwen3vl::FAMILY
};

/// ChatML in the one line in which it is usually written; the templates of the checkpoints are for more than
/// text.
const CHATML: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + \
message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}\
{{ '<|im_start|>assistant\\n' }}{% endif %}";

const LISTENER: Projector = Projector {
    vision: |_| None,
    audio: |whole| thinker_part(whole, "audio_config"),
    adjust_audio: |audio, _| whisper::name_usually(audio),
    hyperparameters: listener_hyperparameters,
    generated: |subject| sinusoid::positions(subject.audio),
    rename: |_, name| {
        let name = name.strip_prefix("thinker.").unwrap_or(name);
        name.starts_with("audio_tower.").then_some(Cow::Borrowed(name))
    },
    tensors: &[LAYERS, AUDIO],
    forced: convolution::half,
    ..Projector::STANDARD
};

const PROJECTOR: Projector = Projector {
    vision: |whole| thinker_part(whole, "vision_config"),
    adjust: qwen3vl::PROJECTOR.adjust,
    hyperparameters: |subject, out| {
        whisper::sound(subject.audio, out)?;
        qwen3vl::images(subject, out)?;
        out.set("vision.projector_type", qwen3vl::KIND);
        out.set("audio.projector_type", AUDIO_KIND);
        Ok(())
    },
    rename: |vision, name| {
        let name = name.strip_prefix("thinker.").unwrap_or(name);
        match name.starts_with("visual.") {
            true => (qwen3vl::PROJECTOR.rename)(vision, name),
            false => name.starts_with("audio_tower.").then_some(Cow::Borrowed(name)),
        }
    },
    tensors: &[qwen3vl::TENSORS, LAYERS, AUDIO],
    ..LISTENER
};

const AUDIO_KIND: &str = "qwen3a";

/// Pictures of sound go through three convolutions in time and pitch.
const AUDIO: &[Rule] = &[
    Rule::keep("audio_tower.conv2d1.weight", "a.conv2d.1.weight").required(),
    Rule::step("audio_tower.conv2d1.bias", "a.conv2d.1.bias", plane),
    Rule::keep("audio_tower.conv2d2.weight", "a.conv2d.2.weight").required(),
    Rule::step("audio_tower.conv2d2.bias", "a.conv2d.2.bias", plane),
    Rule::keep("audio_tower.conv2d3.weight", "a.conv2d.3.weight").required(),
    Rule::step("audio_tower.conv2d3.bias", "a.conv2d.3.bias", plane),
    Rule::keep("audio_tower.conv_out.*", "a.conv_out.*").required(),
    Rule::keep("audio_tower.ln_post.*", "a.post_ln.*").required(),
    Rule::keep("audio_tower.proj1.*", "mm.a.mlp.1.*").required(),
    Rule::keep("audio_tower.proj2.*", "mm.a.mlp.2.*").required(),
];

fn listener_hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    whisper::sound(subject.audio, out)?;
    out.set("audio.projector_type", AUDIO_KIND);
    Ok(())
}
