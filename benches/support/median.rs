/// The middle one of some measurements.
pub(crate) fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|one, other| one.partial_cmp(other).expect("measurements are comparable"));
    values[values.len() / 2]
}
