//! What a misspelt name may have been meant to be.

/// The `count` names of `known` that differ least from `name`, the nearest first.
pub fn nearest(name: &str, known: impl IntoIterator<Item = &'static str>, count: usize) -> Vec<&'static str> {
    let mut names: Vec<&str> = known.into_iter().collect();
    names.sort_by_cached_key(|candidate| (distance(name, candidate), *candidate));
    names.dedup();
    names.truncate(count);
    names
}

/// How many letters have to be inserted, removed or replaced (Levenshtein). Long names are cut.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(100).collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, candidate) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != candidate);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_comes_first() {
        assert_eq!(nearest("temprature", ["top_k", "temperature", "top_p"], 1), ["temperature"]);
        assert_eq!(distance("temperature", "temperature"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
