// GGUF files for the tests: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

const ALIGNMENT = 32
const F32 = 0

/**
 * A file of version 3. `metadata` maps keys to texts, whole numbers, and lists of texts or of numbers;
 * `tensors` are `[name, [dimensions]]` in F32, all of them zeros, or noise that is the same each time.
 */
export function gguf(metadata, tensors, isNoise = false) {
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
  const data = Buffer.alloc(padding + offset)
  if (isNoise) noise(data.subarray(padding))
  return Buffer.concat([header, data])
}

function scalar(write, size, value) {
  const bytes = Buffer.alloc(size)
  bytes[write](value)
  return bytes
}

/** Numbers around zero, from a linear congruential generator (Numerical Recipes). */
function noise(bytes) {
  let state = 1
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    bytes.writeFloatLE(state / 2 ** 33, at)
  }
}

const ROLES = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']

/**
 * A Llama of so many layers and tokens, each matrix as wide as high. It computes nothing that means anything:
 * with `isNoise` its weights are noise, otherwise zeros.
 */
export function llama({
  layers = 2,
  tokens = 8,
  width = 32,
  extra = {},
  roles = ROLES,
  isNoise = false,
} = {}) {
  const metadata = {
    'general.architecture': 'llama',
    'general.file_type': F32,
    'llama.block_count': layers,
    'llama.context_length': 64,
    'llama.embedding_length': width,
    'llama.feed_forward_length': width,
    'llama.attention.head_count': 1,
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.tokens': Array.from({ length: tokens }, (_, index) => `token ${index}`),
    ...extra,
  }
  const matrices = (layer) => roles.map((role) => [`blk.${layer}.${role}.weight`, [width, width]])
  const ofLayers = Array.from({ length: layers }, (_, layer) => matrices(layer)).flat()
  return gguf(metadata, [['token_embd.weight', [width, 8]], ...ofLayers], isNoise)
}
