// Headers of GGUF files: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

import { Truncated, Window } from './window.js'

const STRING = 8
const ARRAY = 9
const SCALARS = new Map([
  [0, [1, 'u8']],
  [1, [1, 'i8']],
  [2, [2, 'u16']],
  [3, [2, 'i16']],
  [4, [4, 'u32']],
  [5, [4, 'i32']],
  [6, [4, 'f32']],
  [7, [1, 'u8']],
  [10, [8, 'u64']],
  [11, [8, 'i64']],
  [12, [8, 'f64']],
])
const MOST_DIMENSIONS = 4
const LONGEST_KEPT = 4096
// After so many elements others get to do something.
const BREATH = 20_000

/** What a file says of itself: `{ values, tensors, weights }`. `values` holds what is no array, by key. */
export async function readGguf(file) {
  try {
    return await header(new Window(file))
  } catch (error) {
    throw error instanceof Truncated
      ? new Error('it is cut off in its header. Copy or download it again')
      : error
  }
}

async function header(window) {
  await window.need(24)
  const magic = window.text(4)
  if (magic !== 'GGUF') throw new Error('it does not begin with GGUF: it is no GGUF file')
  const version = window.u32()
  if (version < 2 || version > 3)
    throw new Error(`it has version ${version} of the format; 2 and 3 are known`)
  const [tensors, pairs] = [window.u64(), window.u64()]
  const values = new Map()
  for (let pair = 0; pair < pairs; pair += 1) {
    const key = await text(window)
    await window.need(4)
    const value = await readValue(window, window.u32())
    if (value !== undefined) values.set(key, value)
  }
  let weights = 0
  for (let tensor = 0; tensor < tensors; tensor += 1) weights += await weightsOfTensor(window)
  return { values, tensors, weights }
}

async function readValue(window, type) {
  if (type === STRING) return text(window)
  if (type === ARRAY) return skipArray(window)
  const [size, read] = scalar(type)
  await window.need(size)
  return window[read]()
}

function scalar(type) {
  const known = SCALARS.get(type)
  if (!known) throw new Error(`it has a value of type ${type}, which does not exist: it is damaged`)
  return known
}

async function skipArray(window) {
  await window.need(12)
  const [type, count] = [window.u32(), window.u64()]
  if (type === ARRAY) {
    for (let index = 0; index < count; index += 1) await skipArray(window)
  } else if (type === STRING) {
    for (let index = 0; index < count; index += 1) {
      if (index % BREATH === BREATH - 1) await new Promise((resolve) => setTimeout(resolve))
      // Waiting for what is there already would take longer than reading it.
      if (!window.has(8)) await window.need(8)
      const length = window.u64()
      if (!window.has(length)) await window.need(length)
      window.skip(length)
    }
  } else {
    const [size] = scalar(type)
    await skipFar(window, size * count)
  }
}

/** Goes over what may be longer than memory. */
async function skipFar(window, length) {
  for (let rest = length; rest > 0;) {
    const step = Math.min(rest, 1 << 20)
    await window.need(step)
    window.skip(step)
    rest -= step
  }
}

async function text(window) {
  await window.need(8)
  const length = window.u64()
  if (length > LONGEST_KEPT) {
    await skipFar(window, length)
    return ''
  }
  await window.need(length)
  return window.text(length)
}

async function weightsOfTensor(window) {
  await text(window)
  await window.need(4)
  const dimensions = window.u32()
  if (dimensions > MOST_DIMENSIONS)
    throw new Error(`a tensor has ${dimensions} dimensions: the file is damaged`)
  await window.need(8 * dimensions + 12)
  let weights = 1
  for (let index = 0; index < dimensions; index += 1) weights *= window.u64()
  window.skip(12)
  return weights
}
