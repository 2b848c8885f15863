//! Codebooks: the sets of points that groups of four or eight levels are taken from.
//!
//! A point is a group of levels. It has two forms: its *number*, whose digits are the levels, the first the
//! lowest; and its *word* of four bits a level, from which [`nearest`](super::nearest) looks levels up. The
//! index that a block stores is the place of the point in the codebook, in the order of the numbers.

use std::sync::OnceLock;

use super::codebook_points;
use crate::tensor::lanes::{Lanes, Words};

/// A codebook, computed from the set of its points when it is needed first.
pub(super) struct Codebook {
    /// Levels in a point: 4 or 8.
    dimensions: usize,
    /// Different levels: 8 or 3.
    levels: usize,
    /// A point outside has the points of so many of the smallest distances as neighbours.
    distances: usize,
    /// One bit for each point that there could be.
    members: &'static [u64],
    words: OnceLock<Vec<u32>>,
    neighbourhood: OnceLock<Neighbourhood>,
}

/// Where every point is, or what lies around it.
pub(super) struct Neighbourhood {
    /// The words of the codebook, by index.
    words: &'static [u32],
    places: Vec<Place>,
    /// Words of the neighbours of all points outside, each list filled up to a multiple of [`CHUNK`] with its
    /// last.
    neighbours: Vec<u32>,
}

/// What is known of a point, by its number.
#[derive(Clone, Copy)]
struct Place {
    /// Where its neighbours begin.
    start: u32,
    /// How many neighbours it has; none if it belongs to the codebook.
    count: u16,
    /// Its index if it belongs to the codebook.
    index: u16,
}

/// What lies at a point.
pub(super) enum At<'a> {
    /// The point belongs to the codebook: its word.
    Member(u32),
    /// The words of its neighbours, nearest first and filled up, and how many they are.
    Outside(&'a [u32], usize),
}

/// Lists of neighbours are filled up to a multiple of this many.
pub(super) const CHUNK: usize = 16;

pub(super) static IQ2_XXS: Codebook = Codebook::new(8, 2, &codebook_points::IQ2_XXS);
pub(super) static IQ2_XS: Codebook = Codebook::new(8, 2, &codebook_points::IQ2_XS);
pub(super) static IQ2_S: Codebook = Codebook::new(8, 1, &codebook_points::IQ2_S);
pub(super) static IQ1: Codebook = Codebook::new(8, 3, &codebook_points::IQ1);
pub(super) static IQ3_XXS: Codebook = Codebook::new(4, 2, &codebook_points::IQ3_XXS);
pub(super) static IQ3_S: Codebook = Codebook::new(4, 3, &codebook_points::IQ3_S);

impl Codebook {
    const fn new(dimensions: usize, distances: usize, members: &'static [u64]) -> Self {
        let levels = if dimensions == 8 { 3 } else { 8 };
        Self {
            dimensions,
            levels,
            distances,
            members,
            words: OnceLock::new(),
            neighbourhood: OnceLock::new(),
        }
    }

    /// The level at a place of the point with this index.
    pub(super) fn level(&'static self, index: usize, place: usize) -> usize {
        (self.words()[index] >> (4 * place)) as usize & self.mask()
    }

    /// What the four bits of a level in a word are cut to: the bits above say where to look the level up.
    fn mask(&self) -> usize {
        if self.levels == 3 { 3 } else { 7 }
    }

    /// The word of a point. Two places of three levels share eight entries, so the second has its levels from
    /// 4 on.
    fn word(&self, point: usize) -> u32 {
        let mut rest = point;
        (0..self.dimensions).fold(0, |word, place| {
            let (level, second) = (rest % self.levels, self.levels == 3 && place % 2 == 1);
            rest /= self.levels;
            word | (level as u32 + if second { 4 } else { 0 }) << (4 * place)
        })
    }

    /// The words of the codebook, by index.
    fn words(&'static self) -> &'static [u32] {
        self.words.get_or_init(|| self.points().map(|point| self.word(point)).collect())
    }

    /// The numbers of the points of the codebook.
    fn points(&self) -> impl Iterator<Item = usize> {
        let words = self.members.iter().enumerate();
        words.flat_map(|(at, &bits)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| 64 * at + bit)
        })
    }

    /// What lies around every point (llama.cpp, `iq2xs_init_impl` and `iq3xs_init_impl` in
    /// `ggml/src/ggml-quants.c`): the points of the codebook at the smallest distances, nearest first, and in
    /// the order of their indices where they are as near. The order decides which of several equally good
    /// points is taken.
    pub(super) fn neighbourhood(&'static self) -> &'static Neighbourhood {
        self.neighbourhood.get_or_init(|| {
            let words = self.words();
            let mut built = Neighbourhood { words, places: Vec::new(), neighbours: Vec::new() };
            self.measure(self.dimensions, &vec![0; words.len()], &mut built);
            built
        })
    }

    /// Adds the places of all points that agree in all but the first `open` levels; `distances` to the points
    /// of the codebook are known of the levels that they agree in.
    fn measure(&self, open: usize, distances: &[u8], built: &mut Neighbourhood) {
        let Some(place) = open.checked_sub(1) else {
            return self.add(distances, built);
        };
        let mask = self.mask() as i32;
        for level in 0..self.levels as i32 {
            let square = |word: u32| {
                let apart = ((word >> (4 * place)) as i32 & mask) - level;
                (apart * apart) as u8
            };
            let with_level: Vec<u8> =
                distances.iter().zip(built.words).map(|(known, &word)| known + square(word)).collect();
            self.measure(place, &with_level, built);
        }
    }

    /// Adds the place of the next point.
    fn add(&self, distances: &[u8], built: &mut Neighbourhood) {
        let start = built.neighbours.len();
        let mut place = Place { start: start as u32, count: 0, index: 0 };
        if let Some(index) = distances.iter().position(|&distance| distance == 0) {
            place.index = index as u16;
        } else {
            let mut last = 0;
            for _ in 0..self.distances {
                let further = distances.iter().copied().filter(|&distance| distance > last);
                let Some(next) = further.min() else { break };
                let there = distances.iter().zip(built.words).filter(|&(&distance, _)| distance == next);
                built.neighbours.extend(there.map(|(_, &word)| word));
                last = next;
            }
            let count = built.neighbours.len() - start;
            place.count = count as u16;
            let filled = start + count.next_multiple_of(CHUNK);
            let filler = built.neighbours[start + count - 1];
            built.neighbours.resize(filled, filler);
        }
        built.places.push(place);
    }
}

impl Neighbourhood {
    /// The word of the point whose levels are all 0, which every codebook begins with.
    pub(super) fn origin(&self) -> u32 {
        self.words[0]
    }

    /// What lies at the point with this number.
    #[inline(always)]
    pub(super) fn at(&self, point: u32) -> At<'_> {
        let place = self.places[point as usize];
        let count = usize::from(place.count);
        if count == 0 {
            return At::Member(self.words[usize::from(place.index)]);
        }
        let start = place.start as usize;
        At::Outside(&self.neighbours[start..start + count.next_multiple_of(CHUNK)], count)
    }

    /// The indices of words of the codebook, whose bits for the levels of `D` places alone matter.
    #[inline(always)]
    pub(super) fn indices<L: Lanes, const D: usize>(&self, word: L::Words) -> L::Words {
        let (levels, mask) = if D == 8 { (3.0, 3) } else { (8.0, 7) };
        let mut number = L::splat(0.0);
        for place in (0..D).rev() {
            let level = word.down(4 * place as u32) & L::Words::splat(mask);
            number = number * L::splat(levels) + L::from_signed(level);
        }
        let mut indices = number.truncate().to_array();
        for index in &mut indices[..L::COUNT] {
            *index = u32::from(self.places[*index as usize].index);
        }
        L::Words::load(&indices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codebooks_have_as_many_points_as_their_indices_can_name() {
        for (codebook, points) in
            [(&IQ2_XXS, 256), (&IQ2_XS, 512), (&IQ2_S, 1024), (&IQ1, 2048), (&IQ3_XXS, 256), (&IQ3_S, 512)]
        {
            assert_eq!(codebook.words().len(), points);
            let neighbourhood = codebook.neighbourhood();
            assert_eq!(neighbourhood.places.len(), codebook.levels.pow(codebook.dimensions as u32));
            for (index, point) in codebook.points().enumerate() {
                assert_eq!(usize::from(neighbourhood.places[point].index), index);
                assert!(
                    matches!(neighbourhood.at(point as u32), At::Member(word) if word == codebook.word(point))
                );
            }
        }
    }
}
