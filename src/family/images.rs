//! Architectures of models that make images or films: GGUF files of them exist, and no language model is in
//! them.

/// What such files say in `general.architecture` (ComfyUI-GGUF, `tools/convert.py`).
const ARCHITECTURES: [&str; 13] = [
    "aura",
    "chroma",
    "cosmos",
    "flux",
    "hidream",
    "hyvid",
    "ltxv",
    "lumina2",
    "qwen_image",
    "sd1",
    "sd3",
    "sdxl",
    "wan",
];

/// Whether models of an architecture make images.
pub fn makes_images(architecture: &str) -> bool {
    ARCHITECTURES.contains(&architecture)
}
