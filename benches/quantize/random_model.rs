//! A random model of the Llama family, large enough to measure with.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ollamake::gguf::{Header, Metadata, TensorDescription, Value};
use ollamake::tensor::{ElementType, Shape};

use crate::support::random::write_weights;

const LAYERS: u32 = 22;
const EMBEDDING: u64 = 2048;
const FEED_FORWARD: u64 = 5632;
const HEADS: u32 = 32;
const KEY_HEADS: u32 = 4;
const VOCABULARY: u64 = 32_000;

/// Writes the model, 1.1 billion weights in BF16, and returns how many weights it has.
pub(crate) fn write(path: &Path) -> io::Result<u64> {
    let tensors = tensors();
    let descriptions: Vec<_> = tensors
        .iter()
        .map(|(name, shape, element_type)| TensorDescription {
            name,
            shape: *shape,
            element_type: *element_type,
        })
        .collect();
    let header = Header::new(&metadata(), &descriptions).map_err(io::Error::other)?;
    let partial = path.with_extension("partial");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
    file.write_all(header.bytes())?;
    let mut position = header.bytes().len() as u64;
    for (number, ((_, shape, element_type), range)) in tensors.iter().zip(header.data()).enumerate() {
        file.write_all(&vec![0; (range.start - position) as usize])?;
        write_weights(&mut file, number as u64, shape.elements(), *element_type)?;
        position = range.end;
    }
    file.write_all(&vec![0; (header.file_length() - position) as usize])?;
    file.into_inner()?.sync_all()?;
    std::fs::rename(partial, path)?;
    Ok(tensors.iter().map(|(_, shape, _)| shape.elements()).sum())
}

/// The names of the matrices of the layers, and the columns of each: what an importance matrix is measured
/// for.
pub(crate) fn matrices() -> impl Iterator<Item = (String, u64)> {
    let matrices =
        tensors().into_iter().filter(|(name, shape, _)| name.starts_with("blk.") && shape.rank() == 2);
    matrices.map(|(name, shape, _)| (name, shape.row_len()))
}

fn tensors() -> Vec<(String, Shape, ElementType)> {
    let matrix = |name: String, row: u64, rows: u64| {
        (name, Shape::new(&[row, rows]).expect("positive lengths"), ElementType::Bf16)
    };
    let norm = |name: String| (name, Shape::new(&[EMBEDDING]).expect("a positive length"), ElementType::F32);
    let keys = EMBEDDING / u64::from(HEADS) * u64::from(KEY_HEADS);
    let mut tensors = vec![
        matrix("token_embd.weight".into(), EMBEDDING, VOCABULARY),
        norm("output_norm.weight".into()),
        matrix("output.weight".into(), EMBEDDING, VOCABULARY),
    ];
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        tensors.extend([
            norm(name("attn_norm")),
            matrix(name("attn_q"), EMBEDDING, EMBEDDING),
            matrix(name("attn_k"), EMBEDDING, keys),
            matrix(name("attn_v"), EMBEDDING, keys),
            matrix(name("attn_output"), EMBEDDING, EMBEDDING),
            norm(name("ffn_norm")),
            matrix(name("ffn_gate"), EMBEDDING, FEED_FORWARD),
            matrix(name("ffn_up"), EMBEDDING, FEED_FORWARD),
            matrix(name("ffn_down"), FEED_FORWARD, EMBEDDING),
        ]);
    }
    tensors
}

fn metadata() -> Metadata {
    let pairs: [(&str, Value); 11] = [
        ("general.architecture", "llama".into()),
        ("general.name", "random".into()),
        ("general.file_type", 32_u32.into()),
        ("llama.block_count", LAYERS.into()),
        ("llama.context_length", 2048_u32.into()),
        ("llama.embedding_length", (EMBEDDING as u32).into()),
        ("llama.feed_forward_length", (FEED_FORWARD as u32).into()),
        ("llama.attention.head_count", HEADS.into()),
        ("llama.attention.head_count_kv", KEY_HEADS.into()),
        ("llama.attention.layer_norm_rms_epsilon", 1e-5_f32.into()),
        ("llama.rope.dimension_count", (EMBEDDING as u32 / HEADS).into()),
    ];
    Metadata::from_iter(pairs)
}
