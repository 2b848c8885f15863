//! The one place where a level is chosen and a kernel enters the instructions of that level.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "functions for instructions that not every processor has")
)]

use super::Platform;
use super::lanes::{self, Lanes};
use super::platform::Level;

/// Something that turns one kind of data into another, written for any number of lanes. The implementation is
/// `#[inline(always)]`, so that it is compiled for the instructions of each level.
pub(super) trait Kernel {
    /// What comes in: numbers or bytes.
    type Input<'i>: Copy;

    /// What goes out: bytes or numbers.
    type Output;

    /// Turns all of the input into output.
    fn run<L: Lanes>(input: Self::Input<'_>, output: &mut [Self::Output]);
}

/// Runs a kernel at a level.
pub(super) fn dispatch<K: Kernel>(platform: Platform, input: K::Input<'_>, output: &mut [K::Output]) {
    match platform.level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Platform` holds only levels that were detected.
        Level::Avx512 => unsafe { avx512::<K>(input, output) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { avx2::<K>(input, output) },
        #[cfg(target_arch = "x86_64")]
        Level::Sse2 => K::run::<lanes::Sse2>(input, output),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => K::run::<lanes::Neon>(input, output),
        Level::Scalar => K::run::<lanes::Portable<f32, 1>>(input, output),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512<K: Kernel>(input: K::Input<'_>, output: &mut [K::Output]) {
    K::run::<lanes::Avx512>(input, output);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2<K: Kernel>(input: K::Input<'_>, output: &mut [K::Output]) {
    K::run::<lanes::Avx2>(input, output);
}
