// What a file is, from its name and its first bytes.

import { readGguf } from './gguf.js'
import { readSafetensors } from './safetensors.js'
import { counted, count } from '../core/format.js'

const PICKLE = /(^|\/)(pytorch_model|adapter_model)[^/]*\.bin$|\.(pth|pt|ckpt)$/
const TOKENIZER =
  /(^|\/)(tokenizer\.(json|model)|spiece\.model|vocab\.(txt|json)|tekken\.json|merges\.txt|rwkv_vocab[^/]*)$/
const MATRIX = /imatrix|\.dat$/i
const LARGEST_JSON = 64 << 20

/**
 * What one file is: `{ kind, text, … }`. Kinds: `gguf`, `projector`, `adapter-gguf`, `matrix`, `weights`,
 * `index`, `config`, `adapter-config`, `tokenizer`, `template`, `settings`, `unneeded`, `wrong`.
 */
export async function inspect(file, path) {
  const name = path.split('/').at(-1)
  try {
    if (file.size === 0) return unneeded('empty')
    if (name.endsWith('.gguf')) return await gguf(file)
    if (name.endsWith('.safetensors')) return await weights(file, path)
    if (PICKLE.test(path))
      return wrong('weights as PyTorch pickles them are not read; save them as safetensors')
    if (name.endsWith('.json')) return await json(file, name, path)
    if (TOKENIZER.test(path)) return { kind: 'tokenizer', text: 'tokenizer' }
    if (name.endsWith('.jinja')) return { kind: 'template', text: 'chat template' }
    if (MATRIX.test(name)) return await olderMatrix(file)
    return unneeded('not needed to make a model')
  } catch (error) {
    return wrong(error.message)
  }
}

function wrong(text) {
  return { kind: 'wrong', text }
}

function unneeded(text) {
  return { kind: 'unneeded', text }
}

async function gguf(file) {
  const { values, tensors, weights: weightCount } = await readGguf(file)
  const type = values.get('general.type')
  const architecture = values.get('general.architecture')
  const shards = values.get('split.count') ?? 1
  const about = {
    architecture,
    tensors,
    weights: weightCount,
    shards,
    shard: (values.get('split.no') ?? 0) + 1,
  }
  const size = `${counted(tensors, 'tensor')}, ${count(weightCount)} weights`
  if (type === 'imatrix') return { kind: 'matrix', text: 'importance matrix' }
  if (type === 'adapter') return { ...about, kind: 'adapter-gguf', text: `adapter for ${architecture}` }
  if (type === 'mmproj' || type === 'projector' || architecture === 'clip')
    return { ...about, kind: 'projector', text: `projector, ${size}` }
  if (!architecture && shards === 1) return wrong('it names no architecture (general.architecture)')
  const part = shards > 1 ? `part ${about.shard} of ${shards} of a model` : 'model'
  return {
    ...about,
    kind: 'gguf',
    text: `GGUF: ${part}${architecture ? ` of ${architecture}` : ''}, ${size}`,
  }
}

async function weights(file, path) {
  const found = await readSafetensors(file)
  const isAdapter = /(^|\/)(adapter_model|adapters)[^/]*\.safetensors$/.test(path)
  const text =
    found.tensors === null
      ? 'weights'
      : `${counted(found.tensors, 'tensor')} in ${found.types.join(', ')}, ${count(found.weights)} weights`
  return { ...found, kind: isAdapter ? 'adapter-weights' : 'weights', text }
}

async function json(file, name, path) {
  if (file.size > LARGEST_JSON) return wrong('it is too large for a file of settings')
  if (TOKENIZER.test(path)) return { kind: 'tokenizer', text: 'tokenizer' }
  const value = parse(await file.text())
  if (value === undefined) return wrong('it is not JSON')
  if (name.endsWith('.safetensors.index.json')) {
    return {
      kind: 'index',
      text: 'list of the weights',
      shards: [...new Set(Object.values(value.weight_map ?? {}))],
    }
  }
  if (name === 'adapter_config.json') {
    return {
      kind: 'adapter-config',
      text: 'settings of an adapter',
      base: value.base_model_name_or_path ?? '',
    }
  }
  if (name === 'config.json' && Array.isArray(value.architectures)) {
    return {
      kind: 'config',
      text: `settings of ${value.architectures[0]}`,
      architecture: String(value.architectures[0]),
    }
  }
  return { kind: 'settings', text: 'settings' }
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The older format of importance matrices: the number of entries, then the length of the first one's name.
 */
async function olderMatrix(file) {
  const view = new DataView(await file.slice(0, 8).arrayBuffer())
  if (view.byteLength < 8) return unneeded('not needed to make a model')
  const [entries, length] = [view.getInt32(0, true), view.getInt32(4, true)]
  const isOne = entries > 0 && entries < 100_000 && length > 0 && length < 1024
  return isOne
    ? { kind: 'matrix', text: 'importance matrix in the older format' }
    : unneeded('not needed to make a model')
}
