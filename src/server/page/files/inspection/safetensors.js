// Headers of safetensors files: https://huggingface.co/docs/safetensors#format

import { Window } from './window.js'

// The format's own limit.
const LONGEST_HEADER = 100_000_000
// What is longer is left to the server, since reading it would hold up the page.
const READABLE_HEADER = 16 << 20

/** The tensors of a file, or why it is not one: `{ tensors, weights, types }`. */
export async function readSafetensors(file) {
  const window = new Window(file)
  await window.need(8)
  const length = window.u64()
  if (length > LONGEST_HEADER || length > file.size - 8)
    throw new Error('its header is longer than the file: it is damaged or no safetensors file')
  if (length > READABLE_HEADER) return { tensors: null, weights: null, types: [] }
  await window.need(length)
  const header = parse(window.text(length))
  const types = new Map()
  let tensors = 0
  let weights = 0
  let end = 0
  for (const [name, tensor] of Object.entries(header)) {
    if (name === '__metadata__') continue
    if (!Array.isArray(tensor?.shape) || !Array.isArray(tensor.data_offsets))
      throw new Error(`tensor ${name} has no shape or place`)
    tensors += 1
    weights += tensor.shape.reduce((product, size) => product * size, 1)
    types.set(tensor.dtype, (types.get(tensor.dtype) ?? 0) + 1)
    end = Math.max(end, tensor.data_offsets[1])
  }
  if (8 + length + end > file.size)
    throw new Error('it is cut off: tensors lie beyond its end. Copy or download it again')
  return { tensors, weights, types: [...types.keys()] }
}

function parse(text) {
  try {
    const header = JSON.parse(text)
    if (header && typeof header === 'object' && !Array.isArray(header)) return header
  } catch {
    // Told below.
  }
  throw new Error('its header is not JSON: it is damaged or no safetensors file')
}
