//! How much memory a JSON text takes as a tree of values.

/// About what a list or an object takes, with its first member, in bytes.
const CONTAINER: usize = 512;
/// About what a further member takes beside its text, in bytes.
const MEMBER: usize = 128;

/// About how many bytes a JSON text takes as a [`serde_json::Value`], beside those of its strings. A text of
/// brackets takes hundreds of times its length.
pub(crate) fn tree_size(text: &str) -> usize {
    let (mut size, mut in_string, mut escaped) = (MEMBER, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => size += CONTAINER,
            b',' if !in_string => size += MEMBER,
            _ => {}
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_commas_count_outside_of_strings() {
        assert_eq!(tree_size(r#"[1, "a,[\"{", {"b": [2]}]"#), 3 * CONTAINER + 3 * MEMBER);
        assert_eq!(tree_size(""), MEMBER);
    }
}
