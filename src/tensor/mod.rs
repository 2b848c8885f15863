//! Element types, shapes, casts, block formats and quantization kernels: numbers in slices, no files, no threads.
//!
//! | file | what it holds |
//! |---|---|
//! | [`element_type`](ElementType) | the types of ggml: ids, names, block sizes |
//! | [`shape`](Shape) | one to four dimensions, fastest first |
//! | `cast`, `f8` | single values between F32 and F16, BF16, F8 |
//! | [`quantize`](quantize()) | F32 rows to any supported type, at the width of the [`Platform`] |
//! | [`dequantize`](dequantize()) | any supported type to F32 |
//! | [`validate`](validate()) | refuse what is infinite or not a number |

mod blocks;
mod cast;
mod dequantize;
mod dispatch;
mod element_type;
mod error;
mod f8;
mod lanes;
mod platform;
mod quantize;
mod rounding;
mod shape;
mod validate;

pub use cast::{bf16_to_f32, f16_to_f32, f32_to_bf16, f32_to_f16};
pub use dequantize::dequantize;
pub use element_type::ElementType;
pub use error::TensorError;
pub use f8::f8_e4m3_to_f32;
pub use platform::Platform;
pub use quantize::{can_quantize, quantize, quantize_on};
pub use shape::Shape;
pub use validate::{validate, validate_finite};
