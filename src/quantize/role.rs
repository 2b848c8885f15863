//! The part that a tensor plays in its model, told from its name.
//!
//! Source: llama.cpp, `src/llama-quant.cpp`, `tensor_get_category`.

/// What the mixtures tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// From the last layer to the tokens.
    Output,
    /// From the tokens to the first layer.
    TokenEmbedding,
    /// Values of attention, also where they share a matrix with others: the most sensitive of a layer.
    AttentionValue,
    AttentionKey,
    AttentionQuery,
    AttentionOutput,
    FeedForwardUp,
    FeedForwardGate,
    FeedForwardDown,
    /// Everything that no mixture treats differently.
    Other,
}

impl Role {
    /// The role of the tensor of this name. The first part of a name that fits decides.
    pub(super) fn of(name: &str) -> Self {
        const WHOLE: [(&str, Role); 3] = [
            ("output.weight", Role::Output),
            ("token_embd.weight", Role::TokenEmbedding),
            ("per_layer_token_embd.weight", Role::TokenEmbedding),
        ];
        const PARTS: [(&str, Role); 9] = [
            ("attn_qkv.weight", Role::AttentionValue),
            ("attn_kv_b.weight", Role::AttentionValue),
            ("attn_v.weight", Role::AttentionValue),
            ("attn_k.weight", Role::AttentionKey),
            ("attn_q.weight", Role::AttentionQuery),
            ("attn_output.weight", Role::AttentionOutput),
            ("ffn_up", Role::FeedForwardUp),
            ("ffn_gate", Role::FeedForwardGate),
            ("ffn_down", Role::FeedForwardDown),
        ];
        let whole = WHOLE.iter().find(|(known, _)| name == *known);
        let role = whole.or_else(|| PARTS.iter().find(|(part, _)| name.contains(part)));
        role.map_or(Role::Other, |(_, role)| *role)
    }
}

/// The number that follows `blk.` at the start of a name.
pub(super) fn layer_of(name: &str) -> Option<i32> {
    let number = name.strip_prefix("blk.")?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}
