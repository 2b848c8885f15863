//! An importance matrix for the random model.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ollamake::gguf::{Header, Metadata, TensorDescription};
use ollamake::tensor::{ElementType, Shape};

use crate::random_model::matrices;

/// How many tokens each sum is of.
const TOKENS: f32 = 4096.0;

/// Writes it as llama-imatrix would.
pub(crate) fn write(path: &Path) -> io::Result<()> {
    let mut metadata = Metadata::new();
    metadata.set("general.type", "imatrix");
    metadata.set("imatrix.datasets", vec!["random".to_owned()]);
    metadata.set("imatrix.chunk_count", 8_u32);
    metadata.set("imatrix.chunk_size", 512_u32);
    let shape = |columns: u64| Shape::new(&[columns, 1]).expect("positive lengths");
    let halves = |(name, columns): (String, u64)| {
        [(format!("{name}.in_sum2"), shape(columns)), (format!("{name}.counts"), shape(1))]
    };
    let tensors: Vec<(String, Shape)> = matrices().flat_map(halves).collect();
    let element_type = ElementType::F32;
    let described: Vec<_> =
        tensors.iter().map(|(name, shape)| TensorDescription { name, shape: *shape, element_type }).collect();
    let header = Header::new(&metadata, &described).map_err(io::Error::other)?;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(header.bytes())?;
    let mut position = header.bytes().len() as u64;
    for ((_, shape), range) in tensors.iter().zip(header.data()) {
        file.write_all(&vec![0; (range.start - position) as usize])?;
        let columns = shape.elements() as u32;
        for column in 0..columns {
            // A count, or sums of squares that differ by a factor of up to a thousand.
            let mean = (column.wrapping_mul(2_654_435_761) >> 22) as f32 + 1.0;
            let value = if columns == 1 { TOKENS } else { mean * TOKENS };
            file.write_all(&value.to_le_bytes())?;
        }
        position = range.end;
    }
    file.write_all(&vec![0; (header.file_length() - position) as usize])?;
    file.flush()
}
