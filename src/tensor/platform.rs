//! Which SIMD instructions the kernels use.

use std::sync::OnceLock;

use super::TensorError;

/// A level of SIMD instructions that this processor has. The result of every kernel is the same at every
/// level; only the speed differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Platform(Level);

/// The levels. One inside a [`Platform`] has been detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Level {
    /// 16 lanes: AVX-512 F, BW, DQ and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 8 lanes: AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 4 lanes: SSE2, which every x86-64 processor has.
    #[cfg(target_arch = "x86_64")]
    Sse2,
    /// 4 lanes: NEON, which every AArch64 processor has.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// One lane, no SIMD: the specification of all others.
    Scalar,
}

/// What is used in this process.
static CURRENT: OnceLock<Platform> = OnceLock::new();

impl Platform {
    /// The environment variable that names the level to use instead of the widest one.
    pub const VARIABLE: &str = "OLLAMAKE_SIMD";

    /// The levels that this processor has, widest first; `scalar` is always the last.
    pub fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                levels.push(Level::Avx512);
            }
            if is_x86_feature_detected!("avx2") {
                levels.push(Level::Avx2);
            }
            levels.push(Level::Sse2);
        }
        #[cfg(target_arch = "aarch64")]
        levels.push(Level::Neon);
        levels.push(Level::Scalar);
        levels.into_iter().map(Self).collect()
    }

    /// The widest level that this processor has.
    pub fn widest() -> Self {
        Self::available()[0]
    }

    /// Makes this the level of the process, unless something has been computed already.
    pub fn choose(self) {
        // Whoever was faster computes the same.
        let _ = CURRENT.set(self);
    }

    /// The level of the process: the one that was [chosen](Self::choose). A program that chooses none, such
    /// as a test, gets the one that [`VARIABLE`](Self::VARIABLE) names, or else the widest.
    pub fn current() -> Self {
        *CURRENT.get_or_init(|| Self::from_environment().unwrap_or_else(|_| Self::widest()))
    }

    /// The level that [`VARIABLE`](Self::VARIABLE) names, or the widest if it is unset or empty.
    ///
    /// # Errors
    ///
    /// [`TensorError::UnknownPlatform`] if the name is not that of an available level.
    pub fn from_environment() -> Result<Self, TensorError> {
        match std::env::var_os(Self::VARIABLE) {
            Some(name) if !name.is_empty() => Self::from_name(&name.to_string_lossy()),
            _ => Ok(Self::widest()),
        }
    }

    /// The level called `name`: `avx512`, `avx2`, `sse2`, `neon` or `scalar`.
    ///
    /// # Errors
    ///
    /// [`TensorError::UnknownPlatform`] if there is none of that name or this processor lacks it.
    pub fn from_name(name: &str) -> Result<Self, TensorError> {
        let available = Self::available();
        available.iter().copied().find(|level| level.name() == name).ok_or_else(|| {
            TensorError::UnknownPlatform {
                name: name.to_owned(),
                available: available.iter().map(|level| level.name()).collect::<Vec<_>>().join(", "),
            }
        })
    }

    /// The level itself.
    pub(super) fn level(self) -> Level {
        self.0
    }

    /// The name that [`from_name`](Self::from_name) understands.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Sse2 => "sse2",
            #[cfg(target_arch = "aarch64")]
            Level::Neon => "neon",
            Level::Scalar => "scalar",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_available_level_is_found_by_its_name() {
        for level in Platform::available() {
            assert_eq!(Platform::from_name(level.name()), Ok(level));
        }
    }

    #[test]
    fn an_unknown_level_is_refused_with_the_available_ones() {
        let message = Platform::from_name("mmx").unwrap_err().to_string();
        assert!(message.contains("mmx") && message.contains("scalar"), "{message}");
    }
}
