//! The families of models, one file each: what they answer to, their metadata, and how their tensors map.
//!
//! To add a family, copy the shape of a neighbour and list it in [`FAMILIES`]. Names of tensors and metadata
//! are llama.cpp's (`gguf-py/gguf/constants.py`), defaults of configurations those of `transformers` 4.57.

mod afmoe;
mod apertus;
mod arcee;
mod arctic;
mod audio;
mod baichuan;
mod bert;
mod bitnet;
mod bloom;
mod chameleon;
mod chatglm;
mod command_r;
mod common;
mod dbrx;
mod deci;
mod deepseek2;
mod deepseek4;
mod dflash;
mod dflash_kin;
mod diffusion;
mod diffusion_mixtures;
mod dots;
mod draft;
mod eagle3;
mod ernie;
mod eurobert;
mod exaone;
mod exaone_moe;
mod falcon;
mod falcon_h1;
mod family;
mod gemma;
mod gemma3;
mod gemma3n;
mod gemma4;
mod glm4;
mod glm5;
mod gpt2;
mod gpt_oss;
mod gptneox;
mod granite;
mod granite_hybrid;
mod granite_switch;
mod grok;
mod grove;
mod hrm_text;
mod hunyuan;
mod hunyuan_dense;
mod hyper_connections;
mod indexer;
mod internlm;
mod jais;
mod jamba;
mod jina_bert;
mod kda;
mod kimi;
mod kimi_k3;
mod laguna;
mod lfm2;
mod ling;
mod listing;
mod llama;
mod llama4;
mod llama_embed;
mod llava;
mod maincoder;
mod mamba;
mod maple;
mod mellum;
mod mimo;
mod minicpm;
mod minimax;
mod mistral3;
mod mistral_own;
mod modern_bert;
mod mpt;
mod nanbeige;
mod nemotron;
mod nemotron_h;
mod neo_bert;
mod nomic_bert;
mod olmo;
mod openelm;
mod orion;
mod pangu;
mod phi2;
mod phi3;
mod pixtral;
mod plamo;
mod plm;
mod prediction;
mod qwen;
mod qwen2;
mod qwen2moe;
mod qwen2vl;
mod qwen3;
mod qwen35;
mod qwen3moe;
mod qwen3next;
mod qwen3vl;
mod qwen3vlmoe;
mod qwen4exp;
mod refact;
mod rugpt3xl;
mod rwkv;
mod seed_oss;
mod smallthinker;
mod smollm3;
mod spark;
mod stablelm;
mod starcoder;
mod starcoder2;
mod step;
mod t5;
mod talkie;
mod vision;
mod wav_tokenizer;
mod xverse;

pub(super) use common::replaced;
pub(super) use family::Family;
pub use listing::{ModelClass, model_classes};
pub(super) use prediction::is_beyond;

use super::configuration::Class;
use super::projector::Projector;
use super::{Configuration, ConvertError};
use crate::model;

/// All families. The first that answers to a name and applies to the configuration is taken.
fn families() -> impl Iterator<Item = &'static Family> {
    FAMILIES.iter().chain(vision::FAMILIES).chain(audio::FAMILIES).copied()
}

/// The families of text models, some of which have a projector that no other has.
const FAMILIES: &[&Family] = &[
    // A draft of one layer calls itself Llama too.
    &eagle3::FAMILY,
    &llama::FAMILY,
    &mistral3::FAMILY,
    &mistral_own::FAMILY,
    &mistral_own::SCALED,
    &llava::FAMILY,
    &llama4::FAMILY,
    &smollm3::FAMILY,
    &qwen2::FAMILY,
    &qwen2moe::FAMILY,
    &qwen2vl::FAMILY,
    &qwen3::FAMILY,
    &qwen3::RERANKER,
    &qwen3::TIED_RERANKER,
    &qwen3moe::FAMILY,
    &qwen3next::FAMILY,
    &qwen3vl::FAMILY,
    &qwen3vlmoe::FAMILY,
    &qwen35::FAMILY,
    &qwen35::MIXTURE,
    &gemma::FIRST,
    &gemma::SECOND,
    &gemma3::FAMILY,
    &gemma3::EMBEDDING,
    &gemma3n::FAMILY,
    &gemma4::FAMILY,
    &gemma4::UNIFIED,
    &phi2::FAMILY,
    &phi3::FAMILY,
    &phi3::MIXTURE,
    &bert::FAMILY,
    &bert::ROBERTA,
    &bert::XLM_ROBERTA,
    &bert::DISTILBERT,
    &nomic_bert::FAMILY,
    &nomic_bert::MIXTURE,
    &modern_bert::FAMILY,
    &command_r::FIRST,
    &command_r::SECOND,
    &olmo::FIRST,
    &olmo::SECOND,
    &olmo::MIXTURE,
    &deepseek2::FAMILY,
    &glm4::FAMILY,
    &glm4::OCR,
    &glm4::MIXTURE,
    &glm4::LITE,
    &gpt_oss::FAMILY,
    &granite::FAMILY,
    &granite::MIXTURE,
    &granite_hybrid::FAMILY,
    &granite_hybrid::ATTENTION_ONLY,
    &granite_hybrid::ATTENTION_MIXTURE,
    &stablelm::FAMILY,
    &gpt2::FAMILY,
    &gptneox::FAMILY,
    &falcon::FAMILY,
    &starcoder2::FAMILY,
    &lfm2::FAMILY,
    &lfm2::MIXTURE,
    &nemotron_h::FAMILY,
    &nemotron_h::MIXTURE,
    &nemotron_h::PUZZLE,
    &deepseek2::SPARSE,
    &deepseek2::FIRST,
    &glm4::SOLAR,
    &glm5::FIFTH,
    &glm5::NEXT,
    &minimax::TEXT_01,
    &minimax::M2,
    &minimax::M3,
    &ernie::FAMILY,
    &ernie::MIXTURE,
    &hunyuan::FIRST,
    &hunyuan::THIRD,
    &hunyuan::FOURTH,
    &kimi::LINEAR,
    &kimi_k3::FAMILY,
    &deepseek4::FAMILY,
    &deepseek4::SPARK,
    &ling::FIRST,
    &ling::SECOND,
    &ling::SARVAM,
    &ling::THIRD,
    &step::FAMILY,
    &dots::FIRST,
    &dots::NOTE,
    &exaone_moe::FAMILY,
    &afmoe::FAMILY,
    &dbrx::FAMILY,
    &grok::FAMILY,
    &grove::FAMILY,
    &diffusion_mixtures::LLADA,
    &diffusion_mixtures::RND1,
    &laguna::FAMILY,
    &smallthinker::FAMILY,
    &mellum::FAMILY,
    &mimo::FAMILY,
    &arctic::FAMILY,
    &command_r::MIXTURE,
    &apertus::FAMILY,
    &arcee::FAMILY,
    &baichuan::FAMILY,
    &bitnet::FAMILY,
    &bloom::FAMILY,
    &chameleon::FAMILY,
    &chatglm::ORIGINAL,
    &chatglm::LIBRARY,
    &deci::FAMILY,
    &diffusion::DREAM,
    &diffusion::LLADA,
    &eurobert::FAMILY,
    &exaone::THIRD,
    &exaone::FOURTH,
    &granite::SLIDING,
    &granite::SLIDING_MIXTURE,
    &granite_switch::FAMILY,
    &hrm_text::FAMILY,
    &hunyuan_dense::FAMILY,
    &internlm::SECOND,
    &internlm::THIRD,
    &jais::FIRST,
    &jais::SECOND,
    &jina_bert::SECOND,
    &jina_bert::THIRD,
    &lfm2::EMBEDDING,
    &llama_embed::FAMILY,
    &maincoder::FAMILY,
    &maple::FAMILY,
    &minicpm::FAMILY,
    &minicpm::THIRD,
    &mpt::FAMILY,
    &nanbeige::FAMILY,
    &nemotron::FAMILY,
    &neo_bert::FAMILY,
    &openelm::FAMILY,
    &orion::FAMILY,
    &pangu::FAMILY,
    &plamo::FIRST,
    &plamo::SECOND,
    &plamo::THIRD,
    &plm::FAMILY,
    &qwen::FAMILY,
    &qwen2::KORMO,
    &refact::FAMILY,
    &rugpt3xl::FAMILY,
    &seed_oss::FAMILY,
    &spark::FAMILY,
    &starcoder::FAMILY,
    &starcoder::CODESHELL,
    &t5::FAMILY,
    &t5::ENCODER_ONLY,
    &talkie::FAMILY,
    &xverse::FAMILY,
    &qwen4exp::FAMILY,
    &dflash::FAMILY,
    &dflash::SPARK,
    &dflash_kin::GEMMA4,
    &dflash_kin::MUSE,
    &gemma4::ASSISTANT,
    &lfm2::SPEECH_DECODER,
    &wav_tokenizer::FAMILY,
    &granite_hybrid::BAMBA,
    &mamba::FIRST,
    &mamba::SECOND,
    &jamba::FAMILY,
    &falcon_h1::FAMILY,
    &rwkv::SIXTH,
    &rwkv::SIXTH_QWEN,
    &rwkv::SEVENTH,
    &rwkv::SEVENTH_QWEN,
];

/// The class whose family is that of the text model.
pub(super) fn text_class(whole: &Configuration) -> Option<&str> {
    let own = whole.own_class();
    let overrules = |name| families().any(|family| family.overrules_text && family.names.contains(&name));
    own.filter(|name| overrules(name)).or_else(|| whole.text_class()).or(own)
}

/// The projector of a model: that of the class that the encoder of images names, or else that of the whole.
pub(super) fn projector(whole: &Configuration) -> Option<&'static Projector> {
    let vision = whole.part("vision_config");
    let named = [vision.as_ref(), Some(whole)].into_iter().flatten().filter_map(Configuration::own_class);
    let of_class = |name| families().filter(move |family| family.names.contains(&name));
    let text = whole.text();
    named.flat_map(of_class).find(|family| family.projector.is_some() && (family.applies)(&text))?.projector
}

/// The family of a configuration.
///
/// # Errors
///
/// None answers to the name (the error names the nearest that do), or none of those applies.
pub(super) fn find(name: &str, configuration: &Configuration) -> Result<&'static Family, ConvertError> {
    let mut named = families().filter(|family| family.names.contains(&name)).peekable();
    if named.peek().is_none() {
        return Err(ConvertError::UnknownArchitecture { name: name.to_owned(), nearest: nearest(name) });
    }
    named.find(|family| (family.applies)(configuration)).ok_or_else(|| {
        let vision = configuration.part("vision_config");
        let types = [Some(configuration), vision.as_ref()].into_iter().flatten();
        let types = types.filter_map(|part| part.text_value("model_type").ok().flatten());
        ConvertError::UnsupportedVariant {
            name: name.to_owned(),
            model_type: types.collect::<Vec<_>>().join(" with "),
        }
    })
}

/// The families that make model files of an architecture.
pub(super) fn of_architecture(architecture: &str) -> impl Iterator<Item = &'static Family> {
    families().filter(move |family| family.architecture == architecture)
}

/// All configuration classes.
pub(super) fn classes() -> Vec<&'static [Class]> {
    families().map(|family| family.classes).collect()
}

/// The folders of all modules that some family has a place for.
pub(super) fn modules() -> impl Iterator<Item = &'static &'static str> {
    families().flat_map(|family| family.modules)
}

/// The three supported names that differ least from `name`.
fn nearest(name: &str) -> Vec<&'static str> {
    model::nearest(name, families().flat_map(|family| family.names).copied(), 3)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::convert::configuration::Absent;

    #[test]
    fn declared_defaults_are_objects() {
        for class in classes().into_iter().flatten() {
            let absent = class.parts.iter().filter_map(|part| match part.absent {
                Absent::Values(json) | Absent::Beneath(json) => Some(json),
                Absent::Whole => None,
            });
            for json in std::iter::once(class.defaults).chain(absent) {
                let parsed = serde_json::from_str::<Map<String, Value>>(json);
                assert!(parsed.is_ok(), "{}: {parsed:?}", class.model_type);
            }
        }
    }

    #[test]
    fn unknown_names_lead_to_their_neighbours() {
        assert!(nearest("LlamaForCausalLN").contains(&"LlamaForCausalLM"));
    }
}
