// GGUF files for the tests: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

const ALIGNMENT = 32
const F32 = 0

/**
 * A file of version 3. `metadata` maps keys to texts, whole numbers, and lists of texts or of numbers;
 * `tensors` are `[name, [dimensions]]`, all of them zeros in F32.
 */
export function gguf(metadata, tensors) {
  const parts = []
  const u32 = (value) => parts.push(scalar('writeUInt32LE', 4, value))
  const u64 = (value) => parts.push(scalar('writeBigUInt64LE', 8, BigInt(value)))
  const text = (value) => {
    const bytes = Buffer.from(value)
    u64(bytes.length)
    parts.push(bytes)
  }
  parts.push(Buffer.from('GGUF'))
  u32(3)
  u64(tensors.length)
  u64(Object.keys(metadata).length)
  for (const [key, value] of Object.entries(metadata)) {
    text(key)
    if (typeof value === 'string') {
      u32(8)
      text(value)
    } else if (typeof value === 'number') {
      u32(4)
      u32(value)
    } else {
      const isText = typeof value[0] === 'string'
      u32(9)
      u32(isText ? 8 : 4)
      u64(value.length)
      value.forEach(isText ? text : u32)
    }
  }
  let offset = 0
  for (const [name, dimensions] of tensors) {
    text(name)
    u32(dimensions.length)
    dimensions.forEach(u64)
    u32(F32)
    u64(offset)
    const length = dimensions.reduce((product, size) => product * size, 1) * 4
    offset += Math.ceil(length / ALIGNMENT) * ALIGNMENT
  }
  const header = Buffer.concat(parts)
  const padding = (ALIGNMENT - (header.length % ALIGNMENT)) % ALIGNMENT
  return Buffer.concat([header, Buffer.alloc(padding + offset)])
}

function scalar(write, size, value) {
  const bytes = Buffer.alloc(size)
  bytes[write](value)
  return bytes
}

/** A Llama of so many layers and tokens that computes nothing. */
export function llama({
  layers = 2,
  tokens = 8,
  extra = {},
  roles = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_down'],
} = {}) {
  const metadata = {
    'general.architecture': 'llama',
    'llama.block_count': layers,
    'llama.context_length': 64,
    'llama.embedding_length': 32,
    'llama.feed_forward_length': 32,
    'llama.attention.head_count': 1,
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.tokens': Array.from({ length: tokens }, (_, index) => `token ${index}`),
    ...extra,
  }
  const ofLayers = Array.from({ length: layers }, (_, layer) =>
    roles.map((role) => [`blk.${layer}.${role}.weight`, [32, 32]]),
  ).flat()
  return gguf(metadata, [['token_embd.weight', [32, 8]], ...ofLayers])
}
