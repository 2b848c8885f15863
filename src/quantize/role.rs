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

/// What stands before the number of the layer in a name, the number, and what stands after it: the first
/// `blk.N.` anywhere counts.
pub(super) fn around_layer(name: &str) -> Option<(&str, u32, &str)> {
    const PREFIX: &str = "blk.";
    name.match_indices(PREFIX).find_map(|(at, _)| {
        let (before, rest) = name.split_at(at + PREFIX.len());
        let (number, after) = rest.split_at(rest.find('.')?);
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        // No model has so many layers that the next one could not be counted.
        let layer = number.parse().ok().filter(|&layer: &u32| is_number && layer < 1 << 24)?;
        Some((before, layer, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_is_the_first_number_behind_its_prefix() {
        assert_eq!(around_layer("blk.12.attn_v.weight"), Some(("blk.", 12, ".attn_v.weight")));
        assert_eq!(around_layer("enc.blk.3.x"), Some(("enc.blk.", 3, ".x")));
        assert_eq!(around_layer("blk.x.blk.0.y"), Some(("blk.x.blk.", 0, ".y")));
        for name in ["output.weight", "blk.1", "blk..x", "blk.99999999999.x"] {
            assert_eq!(around_layer(name), None, "{name}");
        }
    }
}
