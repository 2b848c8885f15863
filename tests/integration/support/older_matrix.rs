/// An importance matrix of the older format with these values for one tensor, measured once.
pub(crate) fn older_matrix(tensor: &str, values: &[f32]) -> Vec<u8> {
    let number = |number: usize| (number as i32).to_le_bytes();
    let head = [&number(1)[..], &number(tensor.len()), tensor.as_bytes(), &number(1), &number(values.len())];
    head.concat().into_iter().chain(values.iter().flat_map(|value| value.to_le_bytes())).collect()
}
