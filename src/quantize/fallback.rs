//! What replaces a type whose blocks do not make up the rows of a tensor.
//!
//! Source: llama.cpp, `src/llama-quant.cpp`, `tensor_type_fallback`.

use crate::tensor::ElementType::{self, *};

/// The type itself, if whole blocks of it make up a row of this length, or what replaces it: a type of blocks
/// of 32, or F16 where those do not fit either. `None` if nothing is known to replace the type.
pub(super) fn fitting(chosen: ElementType, row: u64) -> Option<ElementType> {
    let fits = |element_type: ElementType| row.is_multiple_of(element_type.block_len() as u64);
    if fits(chosen) {
        return Some(chosen);
    }
    let smaller = match chosen {
        Iq1S | Iq1M | Iq2Xxs | Iq2Xs | Iq2S | Iq3Xxs | Iq3S | Iq4Xs => Iq4Nl,
        Q2_0 | Q2K | Q3K | Tq1_0 | Tq2_0 => Q4_0,
        Q4K => Q5_0,
        Q5K => Q5_1,
        Q6K => Q8_0,
        // For types of blocks of 32 the reference has no replacement but F16.
        Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0 | Iq4Nl | Mxfp4 => chosen,
        _ => return None,
    };
    Some(if fits(smaller) { smaller } else { F16 })
}
