//! The beginnings of long texts, for messages.

/// As much of a text as a message should repeat.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}
