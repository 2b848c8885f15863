//! What clients do, how often, and when it is in order that it is refused.

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Upload,
    WrongUpload,
    LongUpload,
    Push,
    Import,
    Quantize,
    Convert,
    Derive,
    Copy,
    Delete,
    Pull,
    Prune,
    Look,
}

/// Everything, and how often it is done among a hundred operations.
pub(super) const KINDS: [(Kind, u32); 13] = [
    (Kind::Upload, 10),
    (Kind::WrongUpload, 3),
    (Kind::LongUpload, 8),
    (Kind::Push, 10),
    (Kind::Import, 15),
    (Kind::Quantize, 15),
    (Kind::Convert, 10),
    (Kind::Derive, 10),
    (Kind::Copy, 8),
    (Kind::Delete, 12),
    (Kind::Pull, 10),
    (Kind::Prune, 2),
    (Kind::Look, 5),
];

/// How a client treats names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// It has names of its own and knows what is behind each.
    Careful,
    /// It shares names with its like, and some of its operations it breaks off.
    Careless,
}

/// Why a refusal is in order, if it is.
pub(super) fn in_order(kind: Kind, manner: Manner, text: &str) -> Option<&'static str> {
    let absent = ["not found", "does not exist", "Not Found"].iter().any(|words| text.contains(words));
    let absent_blob = absent || text.contains("is not in the store");
    match kind {
        Kind::WrongUpload if text.contains("digest mismatch") => Some("digest mismatch"),
        // The model that had the blob went between upload and use, and the blob with it.
        Kind::Import | Kind::Quantize | Kind::Convert if absent_blob => Some("blob not found"),
        Kind::Push if text.contains("is not here") => Some("blob not found"),
        // Another has removed the model.
        Kind::Derive | Kind::Copy | Kind::Delete if manner == Manner::Careless && absent => {
            Some("model not found")
        }
        _ => None,
    }
}
