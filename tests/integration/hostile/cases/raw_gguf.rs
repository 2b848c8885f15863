//! Bytes of GGUF files that no writer would write.

/// Bytes of a header, put together without a check.
#[derive(Clone)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl Raw {
    pub(crate) fn header(version: u32, tensors: u64, entries: u64) -> Self {
        Raw(b"GGUF".to_vec()).u32(version).u64(tensors).u64(entries)
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn string(self, text: &[u8]) -> Self {
        self.u64(text.len() as u64).bytes(text)
    }

    pub(crate) fn entry(self, key: &str, value_type: u32) -> Self {
        self.string(key.as_bytes()).u32(value_type)
    }

    pub(crate) fn tensor(self, name: &str, dimensions: &[u64], element_type: u32, offset: u64) -> Self {
        let rank = dimensions.len() as u32;
        let shaped = dimensions.iter().fold(self.string(name.as_bytes()).u32(rank), |raw, &d| raw.u64(d));
        shaped.u32(element_type).u64(offset)
    }

    /// Enough bytes after the header for small tensors.
    pub(crate) fn data(mut self) -> Self {
        self.0.resize(self.0.len() + 4096, 0);
        self
    }
}

/// A file of one tensor.
pub(crate) fn one_tensor(name: &str, dimensions: &[u64], element_type: u32, offset: u64) -> Raw {
    Raw::header(3, 1, 0).tensor(name, dimensions, element_type, offset).data()
}

/// A file of one pair; `value` follows its type.
pub(crate) fn one_entry(key: &str, value_type: u32, value: impl FnOnce(Raw) -> Raw) -> Raw {
    value(Raw::header(3, 0, 1).entry(key, value_type)).data()
}
