use ollamake::gguf::{Header, Metadata, TensorDescription};
use ollamake::tensor::{ElementType, Shape};

/// A model of one tensor in F16, which takes a while to quantize.
pub(crate) fn large_gguf(columns: u64, rows: u64) -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.file_type", 1_u32);
    metadata.set("llama.block_count", 1_u32);
    let shape = Shape::new(&[columns, rows]).expect("a shape");
    let tensor = TensorDescription { name: "blk.0.ffn_down.weight", shape, element_type: ElementType::F16 };
    let header = Header::new(&metadata, &[tensor]).expect("a header");
    let mut file = header.bytes().to_vec();
    file.resize(header.file_length() as usize, 0);
    let mut state = 1_u32;
    for pair in file[header.data()[0].start as usize..].chunks_exact_mut(2) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Floats of either sign around a hundredth.
        let bits = (0x2000 + (state >> 18) as u16 % 0x0400) | ((state >> 16) as u16 & 0x8000);
        pair.copy_from_slice(&bits.to_le_bytes());
    }
    file
}
