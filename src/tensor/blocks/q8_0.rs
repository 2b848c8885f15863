//! Q8_0: 32 signed bytes times one scale.

use super::{Block, ElementType, half};

/// Bytes: `scale: f16`, 32 × `level: i8`.
pub(crate) struct Q8_0;

impl Block for Q8_0 {
    const TYPE: ElementType = ElementType::Q8_0;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (value, &level) in values.iter_mut().zip(&block[2..]) {
            *value = f32::from(level as i8) * scale;
        }
    }
}
