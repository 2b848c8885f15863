//! Numbers of at most eight bits as other programs pack them: how their codes lie in words, and what they
//! stand for.

use super::DerivationError;
use super::location::Location;
use crate::tensor::{f8_e4m3_to_f32, f8_e5m2_to_f32};

/// Codes of a few bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Codes {
    /// Bits of a code, 1 to 8.
    pub bits: u32,
    /// How they lie in words.
    pub packing: Packing,
    /// What they stand for.
    pub levels: Levels,
}

/// How codes lie in words: one after the other in *strings* of a few words, each of which begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packing {
    /// Codes of a string. What remains of its last word means nothing.
    pub codes: u64,
    /// Words of a string.
    pub words: u64,
    /// What a word is.
    pub word: Word,
    /// How many strings lie abreast, the first words of all of them before all second words; 1: one after the
    /// other.
    pub abreast: u64,
    /// Whether the first code lies in the highest bits of the string instead of the lowest.
    pub high_first: bool,
}

/// A unit of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// 8 bits.
    Byte,
    /// 32 bits, little-endian.
    Four,
}

/// The number that each code stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Levels {
    /// The code itself.
    Unsigned,
    /// The code in two's complement.
    Signed,
    /// Floats of 8 bits, OCP e4m3fn.
    F8E4M3,
    /// Floats of 8 bits, OCP e5m2.
    F8E5M2,
    /// Powers of two, OCP e8m0.
    F8E8M0,
    /// Floats of 4 bits, OCP e2m1.
    F4E2M1,
    /// A table of F32 in a source, one for every code.
    Table(Location),
}

impl Packing {
    /// Codes in bytes, as many as fit, the first in the low bits.
    pub const fn in_bytes(bits: u32) -> Self {
        let codes = (8 / bits) as u64;
        Self { codes, words: 1, word: Word::Byte, abreast: 1, high_first: false }
    }

    /// Codes in words of 32 bits, as many as fit, the first in the low bits.
    pub const fn in_words(bits: u32) -> Self {
        let codes = (32 / bits) as u64;
        Self { codes, words: 1, word: Word::Four, abreast: 1, high_first: false }
    }

    /// Codes in words of 32 bits one after the other across their borders, the first in the lowest bits.
    pub const fn across_words(bits: u32) -> Self {
        // The fewest codes of which the last ends with a word.
        let codes = 32 >> bits.trailing_zeros();
        Self { codes, words: codes * bits as u64 / 32, word: Word::Four, abreast: 1, high_first: false }
    }

    /// Bytes of a string.
    pub(super) fn string_bytes(&self) -> u64 {
        self.words * self.word.bytes()
    }
}

impl Word {
    pub(super) fn bytes(self) -> u64 {
        1 << (self.bit_shift() - 3)
    }

    /// The number of its bits as a power of two.
    pub(super) fn bit_shift(self) -> u32 {
        match self {
            Word::Byte => 3,
            Word::Four => 5,
        }
    }
}

impl Codes {
    /// Codes of bytes: numbers of eight bits, one after the other.
    pub const fn of_bytes(levels: Levels) -> Self {
        Self { bits: 8, packing: Packing::in_bytes(8), levels }
    }

    /// Checks what every reader relies on.
    pub(super) fn check(&self) -> Result<(), DerivationError> {
        let Packing { codes, words, word, abreast, .. } = self.packing;
        let room = words.saturating_mul(word.bytes() * 8);
        let fits = (1..=8).contains(&self.bits)
            && codes > 0
            && words <= codes
            && abreast > 0
            && codes.saturating_mul(self.bits.into()) <= room;
        if fits { Ok(()) } else { Err(DerivationError::Packing { bits: self.bits, codes, words }) }
    }

    /// The numbers of all codes; `table` holds the bytes of those that lie in a source.
    pub(super) fn numbers(&self, table: &[u8]) -> [f32; 256] {
        let mut numbers = [0.0; 256];
        let stored = |code: usize| {
            let bytes = table.as_chunks().0.get(code);
            bytes.map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
        };
        for (code, number) in numbers.iter_mut().enumerate().take(1 << self.bits) {
            let byte = code as u8;
            *number = match self.levels {
                Levels::Unsigned => code as f32,
                Levels::Signed => {
                    let above = 8 - self.bits;
                    f32::from(((byte << above) as i8) >> above)
                }
                Levels::F8E4M3 => f8_e4m3_to_f32(byte),
                Levels::F8E5M2 => f8_e5m2_to_f32(byte),
                Levels::F8E8M0 => power_of_two(byte),
                Levels::F4E2M1 => small_float(byte),
                Levels::Table(_) => stored(code),
            };
        }
        numbers
    }

    /// The bytes of a table of numbers.
    pub(super) fn table_bytes(&self) -> u64 {
        4 << self.bits
    }
}

/// Two to the power of what a byte says, less 127; all bits set is NaN.
fn power_of_two(byte: u8) -> f32 {
    match byte {
        0 => f32::from_bits(1 << 22),
        0xff => f32::NAN,
        exponent => f32::from_bits(u32::from(exponent) << 23),
    }
}

/// A sign, two bits of exponent with bias 1, one of mantissa.
fn small_float(code: u8) -> f32 {
    const MAGNITUDES: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    let magnitude = MAGNITUDES[usize::from(code & 7)];
    if code & 8 == 0 { magnitude } else { -magnitude }
}

/// Codes of stored bytes.
pub(super) struct CodeReader<'b> {
    codes: Codes,
    numbers: [f32; 256],
    /// The bytes of strings from a first one on, which begins a row where several lie abreast.
    bytes: &'b [u8],
    first: u64,
}

impl<'b> CodeReader<'b> {
    pub(super) fn new(codes: Codes, numbers: [f32; 256], bytes: &'b [u8], first: u64) -> Self {
        Self { codes, numbers, bytes, first }
    }

    /// The number of code `place` of string `string`.
    #[inline(always)]
    fn number(&self, string: u64, place: u64) -> f32 {
        let Packing { codes, words, word, abreast, high_first } = self.codes.packing;
        let place = if high_first { codes - 1 - place } else { place };
        let bit = place * u64::from(self.codes.bits);
        let shift = word.bit_shift();
        let (index, offset) = (bit >> shift, bit & ((1 << shift) - 1));
        let string = string - self.first;
        let start = match abreast {
            1 => string * words,
            _ => string / abreast * (words * abreast) + string % abreast,
        };
        let at = start + index * abreast;
        let crosses = offset + u64::from(self.codes.bits) > 1 << shift;
        let mut window = self.word(at) >> offset;
        if crosses {
            window |= self.word(at + abreast) << ((1 << shift) - offset);
        }
        self.numbers[(window & ((1 << self.codes.bits) - 1)) as usize]
    }

    #[inline(always)]
    fn word(&self, index: u64) -> u64 {
        let index = index as usize;
        match self.codes.packing.word {
            Word::Byte => self.bytes[index].into(),
            Word::Four => {
                let bytes = &self.bytes[index * 4..][..4];
                u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).into()
            }
        }
    }

    /// The number of element `index`.
    pub(super) fn get(&self, index: u64) -> f32 {
        let codes = self.codes.packing.codes;
        self.number(index / codes, index % codes)
    }

    /// The numbers of elements from `start` on, `stride` apart.
    pub(super) fn fill(&self, start: u64, stride: u64, values: &mut [f32]) {
        let codes = self.codes.packing.codes;
        let (mut string, mut place) = (start / codes, start % codes);
        let (strings, places) = (stride / codes, stride % codes);
        for value in values {
            *value = self.number(string, place);
            string += strings;
            place += places;
            if place >= codes {
                place -= codes;
                string += 1;
            }
        }
    }
}
