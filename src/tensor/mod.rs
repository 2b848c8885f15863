//! Element types, shapes, casts, block formats and quantization kernels: numbers in slices, no files, no
//! threads.
//!
//! | file | what it holds |
//! |---|---|
//! | [`element_type`](ElementType) | the types of ggml: ids, names, block sizes |
//! | [`shape`](Shape) | one to four dimensions, fastest first |
//! | `cast`, `f8` | single values between F32 and F16, BF16, F8 |
//! | [`quantize`](quantize()) | F32 rows, by importance or not, to any supported type |
//! | [`dequantize`](dequantize()) | any supported type to F32 |
//! | [`validate`](validate()) | refuse what is infinite or not a number |
//! | `lanes` | vectors whose lanes are different blocks, at 16, 8, 4 and 1 lanes |
//! | `over_lanes` | any number of blocks, as many at once as there are lanes |
//! | `dispatch` | where a kernel enters the instructions of a level |
//! | `blocks` | the block formats: layout, decoding, and the quantizers over lanes |
//! | `rounding` | roundings and casts lane by lane |
//!
//! What bounds the quantizers on a core with AVX-512: Q2_K, Q4_K and Q5_K make 16 to 37 trials a group with
//! 18 vector operations a number, Q6_K 19 trials with 10, IQ4 16 trials with 36, and all keep the two vector
//! ports busy three quarters of the time; Q3_K waits for its divisions and for branches that depend on the
//! data; the codebooks of IQ2 and IQ3 for the ends of short searches; all others and the casts are bound by
//! moving data between blocks and lanes, close to what memory delivers.

mod blocks;
mod cast;
mod dequantize;
mod dispatch;
mod element_type;
mod error;
mod f8;
mod lanes;
mod over_lanes;
mod platform;
mod quantize;
mod rounding;
mod shape;
mod sizes;
mod validate;

pub use cast::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
pub use dequantize::dequantize;
pub use element_type::ElementType;
pub use error::TensorError;
pub use f8::{f8_e4m3_to_f32, f8_e5m2_to_f32};
pub use platform::Platform;
pub use quantize::{can_quantize, needs_importance, quantize, quantize_on};
pub use shape::Shape;
pub use validate::{validate, validate_finite};
