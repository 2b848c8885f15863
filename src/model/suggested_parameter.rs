//! Which known parameter somebody means who writes the name of another program, or a misspelt one.

use super::nearest::within;
use super::parameters::known_parameters;

/// Names that other programs and interfaces have for the same: llama.cpp's options, the interface of OpenAI,
/// transformers' generation configuration, LM Studio, vLLM.
const OTHER_NAMES: [(&str, &str); 34] = [
    ("batch_size", "num_batch"),
    ("context_length", "num_ctx"),
    ("context_size", "num_ctx"),
    ("context_window", "num_ctx"),
    ("ctx_size", "num_ctx"),
    ("gpu_layers", "num_gpu"),
    ("keep", "num_keep"),
    ("max_completion_tokens", "num_predict"),
    ("max_context_length", "num_ctx"),
    ("max_length", "num_predict"),
    ("max_model_len", "num_ctx"),
    ("max_new_tokens", "num_predict"),
    ("max_output_tokens", "num_predict"),
    ("max_seq_len", "num_ctx"),
    ("max_tokens", "num_predict"),
    ("mlock", "use_mlock"),
    ("mmap", "use_mmap"),
    ("n_batch", "num_batch"),
    ("n_ctx", "num_ctx"),
    ("n_gpu_layers", "num_gpu"),
    ("n_keep", "num_keep"),
    ("n_predict", "num_predict"),
    ("n_threads", "num_thread"),
    ("ngl", "num_gpu"),
    ("penalty_last_n", "repeat_last_n"),
    ("random_seed", "seed"),
    ("repetition_penalty", "repeat_penalty"),
    ("stop_sequences", "stop"),
    ("stop_strings", "stop"),
    ("stop_words", "stop"),
    ("temp", "temperature"),
    ("threads", "num_thread"),
    ("typical", "typical_p"),
    ("ubatch_size", "num_batch"),
];

/// The known parameter that this name most likely means, if it is like any.
pub fn suggested_parameter(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches('-').to_ascii_lowercase().replace('-', "_");
    if let Some(known) = known_parameters().find(|known| *known == name) {
        return Some(known);
    }
    if let Some((_, known)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        return Some(known);
    }
    // Short names that differ in two letters are other words.
    within(&name, known_parameters(), name.chars().count() / 4)
}

/// The known parameter of this name in whatever letter case.
pub fn parameter_in_any_case(name: &str) -> Option<&'static str> {
    known_parameters().find(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parameter_kind;

    #[test]
    fn what_is_meant_is_found_and_nothing_else_is_said() {
        for (name, meant) in [
            ("tempreature", Some("temperature")),
            ("temprature", Some("temperature")),
            ("STOP", Some("stop")),
            ("max_tokens", Some("num_predict")),
            ("--n-gpu-layers", Some("num_gpu")),
            ("num_threads", Some("num_thread")),
            ("top-k", Some("top_k")),
            ("think", None),
            ("nonsense", None),
            ("x", None),
        ] {
            assert_eq!(suggested_parameter(name), meant, "{name}");
        }
        assert_eq!(parameter_in_any_case("Temperature"), Some("temperature"));
        assert_eq!(parameter_in_any_case("temprature"), None);
    }

    #[test]
    fn other_names_are_sorted_and_lead_to_known_ones() {
        assert!(OTHER_NAMES.is_sorted_by(|one, two| one.0 < two.0));
        for (other, known) in OTHER_NAMES {
            assert!(parameter_kind(known).is_some() && parameter_kind(other).is_none(), "{other}");
        }
    }
}
