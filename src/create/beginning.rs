//! What a file is by its first bytes, where they say that it is not what a model is made from.

/// So many bytes tell what a file is.
pub(crate) const BEGINNING: usize = 64;

/// What is sometimes found in the place of a model's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Impostor {
    /// What Git leaves where a large file was not fetched
    /// (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
    LargeFilePointer,
    /// What a server has sent in place of a file.
    WebPage,
}

impl Impostor {
    /// What a file of this name is that begins with these bytes, if it is not itself.
    pub(crate) fn of(beginning: &[u8], name: &str) -> Option<Self> {
        const POINTER: &[u8] = b"version https://git-lfs";
        if beginning.starts_with(POINTER) {
            return Some(Self::LargeFilePointer);
        }
        let text = String::from_utf8_lossy(beginning).trim_start().to_ascii_lowercase();
        let is_prose = [".md", ".jinja", ".txt"].iter().any(|extension| name.ends_with(extension));
        let is_page = text.starts_with("<!doctype html") || text.starts_with("<html");
        (!is_prose && is_page).then_some(Self::WebPage)
    }
}

/// What a file is called that begins with these bytes, if it is a well-known kind that no model is made from.
pub(crate) fn known_kind(beginning: &[u8]) -> Option<&'static str> {
    // Each format's own mark: ZIP (APPNOTE.TXT), RFC 1952, RFC 8878, the xz file format, 7z, Python's pickle
    // protocols 2 to 5, GGML's older formats (llama.cpp, `ggml-org/ggml/docs`), ONNX's usual first field,
    // PDF.
    const MARKS: [(&[u8], &str); 12] = [
        (b"PK\x03\x04", "a ZIP archive, or a PyTorch pickle"),
        (b"\x1f\x8b", "compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"\xfd7zXZ\0", "compressed with xz"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x80\x02", "a Python pickle"),
        (b"\x80\x04", "a Python pickle"),
        (b"tjgg", "in an older format than GGUF (GGJT)"),
        (b"lmgg", "in an older format than GGUF (GGML)"),
        (b"\x08\x07\x12", "an ONNX model"),
        (b"%PDF", "a PDF document"),
        (b"\x89HDF", "a Keras or HDF5 file"),
    ];
    MARKS.iter().find(|(mark, _)| beginning.starts_with(mark)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_may_be_html_and_weights_may_not() {
        let page = b" <!DOCTYPE html><html>";
        assert_eq!(Impostor::of(page, "m.gguf"), Some(Impostor::WebPage));
        assert_eq!(Impostor::of(page, "README.md"), None);
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid";
        assert_eq!(Impostor::of(pointer, "README.md"), Some(Impostor::LargeFilePointer));
        assert_eq!(Impostor::of(b"GGUF", "m.gguf"), None);
        assert_eq!(known_kind(b"GGUF\x03"), None);
        assert_eq!(known_kind(b"PK\x03\x04."), Some("a ZIP archive, or a PyTorch pickle"));
    }
}
