//! What the name of an architecture means beyond the numbers in a file: plain data that every room may read.
//!
//! How a family's tensors are named is declared in `convert/architecture`; how a conversation is written is a
//! chat format (`template/chat`), which models of many architectures share. What has to be known of an
//! architecture by its name alone stands here: what a runtime is told about it, what it can and cannot do,
//! and how it is quantized.

mod families;
mod images;
mod parsers;
mod remembering;

pub use families::{AUDIO_UNUSED_IN, Conversation, Family, PROJECTOR, Rules, of};
pub use images::makes_images;
pub use parsers::{Parser, parser};
pub use remembering::{Remembering, Windows, remembering};
