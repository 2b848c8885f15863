//! What a misspelt name may have been meant to be.

/// The `count` names of `known` that differ least from `name`, the nearest first.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>, count: usize) -> Vec<&'n str> {
    let mut names: Vec<&str> = known.into_iter().collect();
    names.sort_by_cached_key(|candidate| (distance(name, candidate), *candidate));
    names.dedup();
    names.truncate(count);
    names
}

/// The name of `known` that differs least from `name`, if that is in so many letters at most.
pub(super) fn within<'n>(
    name: &str,
    known: impl IntoIterator<Item = &'n str>,
    most: usize,
) -> Option<&'n str> {
    nearest(name, known, 1).pop().filter(|found| distance(name, found) <= most)
}

/// That of the names of which some part differs least from `part`; of several the first.
pub fn nearest_part<'n>(part: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    known.into_iter().min_by_key(|candidate| {
        // The part may begin and end anywhere.
        last_row(part, candidate, |_| 0).into_iter().min()
    })
}

/// How many letters have to be inserted, removed or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    last_row(one, other, |skipped| skipped).last().copied().unwrap_or(0)
}

/// The distances of `one`, cut if it is long, to all beginnings of `other`, if leaving out so many letters at
/// its start costs what `skipping` says.
fn last_row(one: &str, other: &str, skipping: impl Fn(usize) -> usize) -> Vec<usize> {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(100).collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).map(skipping).collect();
    for (line, letter) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, candidate) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != candidate);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_comes_first() {
        assert_eq!(nearest("temprature", ["top_k", "temperature", "top_p"], 1), ["temperature"]);
        assert_eq!(distance("temperature", "temperature"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
        let names = ["output.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight"];
        assert_eq!(nearest_part("ffn_dwn", names), Some("blk.0.ffn_down.weight"));
    }
}
