//! The one place where a level is chosen and a kernel enters the instructions of that level.
#![expect(unsafe_code, reason = "functions for instructions that not every processor has")]

use super::Platform;
use super::lanes::{self, Lanes};
use super::platform::Level;

/// Something to be done with numbers, written for any number of lanes. The implementation is `#[inline(always)]`, so
/// that it is compiled for the instructions of each level.
pub(super) trait Kernel {
    /// Turns numbers into bytes.
    fn run<L: Lanes>(values: &[f32], output: &mut [u8]);
}

/// Runs a kernel at a level.
pub(super) fn dispatch<K: Kernel>(platform: Platform, values: &[f32], output: &mut [u8]) {
    match platform.level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Platform` holds only levels that were detected.
        Level::Avx512 => unsafe { avx512::<K>(values, output) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { avx2::<K>(values, output) },
        #[cfg(target_arch = "x86_64")]
        Level::Sse2 => K::run::<lanes::Sse2>(values, output),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => K::run::<lanes::Neon>(values, output),
        Level::Scalar => K::run::<lanes::Portable<f32, 1>>(values, output),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<K: Kernel>(values: &[f32], output: &mut [u8]) {
    K::run::<lanes::Avx512>(values, output);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<K: Kernel>(values: &[f32], output: &mut [u8]) {
    K::run::<lanes::Avx2>(values, output);
}
