//! The list of types that models can be quantized to.

use std::fmt::Write as _;

use ollamake::quantize::FileType;
use ollamake::tensor::needs_importance;

use super::generated::{made_by, page_is};

#[test]
fn the_page_lists_the_types() {
    let mut page = String::from("# Types\n\n") + &made_by("types");
    page += "\nWhat a model can be quantized to, from few bits to many within each kind. Names are taken in \
             any letter case; the number is\nthat of llama.cpp (`general.file_type`), and is taken too. Most \
             types are mixtures: *most tensors* says what the greater part gets.\nA tensor whose rows are no \
             multiple of *row* gets another type, and a warning says so. Types whose base needs an \
             importance\nmatrix are marked; others with a star in [Quantization](../quantization.md#types) \
             need one for some of their tensors.\n\n";
    page += "| type | number | most tensors | bits a weight | row | |\n|---|---:|---|---:|---:|---|\n";
    for file_type in FileType::all() {
        let base = file_type.base_type();
        let bits = base.block_bytes() as f64 * 8.0 / base.block_len() as f64;
        let needs = if needs_importance(base) { "needs an importance matrix" } else { "" };
        let (name, id, base, row) = (file_type.name(), file_type.id(), base.name(), base.block_len());
        writeln!(page, "| `{name}` | {id} | {base} | {bits} | {row} | {needs} |").unwrap();
    }
    page_is("reference/types.md", &page);
}
