// What several files are together, and what is missing among them.

import { counted, count } from '../core/format.js'

const SHARD = /^(.*)-(\d{5})-of-(\d{5})\.(safetensors|gguf)$/
const LISTED = 3

/**
 * Files by the folder that was dropped: `Map` of the folder's name to entries, which are `{ path, file }`.
 * Files that were dropped alone belong together under an empty name.
 */
export function byFolder(entries) {
  const folders = new Map()
  for (const entry of entries) {
    const [folder, ...rest] = entry.path.split('/')
    const name = rest.length ? folder : ''
    if (!folders.has(name)) folders.set(name, [])
    folders.get(name).push(entry)
  }
  return folders
}

/**
 * What a folder holds: `{ title, kind, missing, problems }`. Entries have what `inspect` found. `kind` is
 * `checkpoint`, `gguf`, `adapter`, `matrix` or nothing; `missing` keeps it from being made, `problems` may.
 */
export function judge(entries, knownArchitectures = null) {
  const of = (kind) => entries.filter((entry) => entry.found.kind === kind)
  const problems = of('wrong').map((entry) => `${entry.path}: ${entry.found.text}`)
  const extras = [
    [of('projector').length, 'projector'],
    [of('matrix').length, 'importance matrix'],
  ]
    .filter(([number]) => number)
    .map(([number, noun]) => (number === 1 ? ` and ${article(noun)} ${noun}` : ` and ${number} ${noun}s`))
    .join('')
  const finish = (kind, title, missing) => ({ kind, title: title + extras, missing, problems })

  if (of('adapter-config').length || of('adapter-weights').length) return adapter(of, finish)
  if (of('adapter-gguf').length) return finish('adapter', of('adapter-gguf')[0].found.text, [])
  if (of('gguf').length) return models(of('gguf'), finish)
  if (of('weights').length || of('config').length) return checkpoint(of, finish, problems, knownArchitectures)
  // What follows is alone, so nothing comes on top of it.
  if (of('projector').length) return { kind: null, title: 'A projector', missing: ['its model'], problems }
  if (of('matrix').length) return { kind: 'matrix', title: 'An importance matrix', missing: [], problems }
  const title = entries.length ? 'Nothing that a model could be made from' : 'No files'
  return { kind: null, title, missing: ['a GGUF file, or config.json with safetensors files'], problems }
}

function models(files, finish) {
  const first = files.find((entry) => entry.found.architecture) ?? files[0]
  const { shards, architecture } = first.found
  const weights = files.reduce((sum, entry) => sum + entry.found.weights, 0)
  if (shards > 1) {
    const there = new Set(files.map((entry) => entry.found.shard))
    const lacking = Array.from({ length: shards }, (_, index) => index + 1).filter(
      (number) => !there.has(number),
    )
    return finish(
      'gguf',
      `A GGUF model of ${architecture} in ${shards} parts, ${count(weights)} weights`,
      lacking.map((number) => `part ${number} of ${shards}`),
    )
  }
  if (files.length > 1)
    return finish(null, `${files.length} models`, [
      `a choice: ${files
        .map((entry) => entry.path)
        .slice(0, LISTED)
        .join(', ')} are models of their own; take one`,
    ])
  return finish('gguf', `A GGUF model of ${architecture}, ${count(weights)} weights`, [])
}

function adapter(of, finish) {
  const base = of('adapter-config')[0]?.found.base
  const missing = []
  if (!of('adapter-config').length) missing.push('adapter_config.json')
  if (!of('adapter-weights').length) missing.push('adapter_model.safetensors')
  return finish('adapter', `An adapter${base ? ` for ${base}` : ''}`, missing)
}

function checkpoint(of, finish, problems, knownArchitectures) {
  const config = of('config')[0]
  const weights = of('weights')
  const missing = lackingShards(of('index'), weights)
  if (!config) missing.push('config.json')
  if (!weights.length) missing.push('the weights: files ending in .safetensors')
  if (!of('tokenizer').length) problems.push('no file of a tokenizer is there; most models need one')
  const architecture = config?.found.architecture
  if (architecture && knownArchitectures && !knownArchitectures.has(architecture)) {
    problems.push(`the model class ${architecture} is not among those that this server converts`)
  }
  const total = weights.reduce((sum, entry) => sum + (entry.found.weights ?? 0), 0)
  const files = counted(weights.length, 'file')
  const owner = architecture ?? 'an unknown class'
  const title = `A checkpoint of ${owner}, ${files} of weights, ${count(total)} weights`
  return finish('checkpoint', title, missing)
}

function lackingShards(indices, weights) {
  const there = new Set(weights.map((entry) => entry.path.split('/').at(-1)))
  const wanted = new Set(indices.flatMap((entry) => entry.found.shards))
  for (const name of there) {
    const [, stem, , total, extension] = SHARD.exec(name) ?? []
    for (let number = 1; number <= Number(total ?? 0) && number <= 10_000; number += 1) {
      wanted.add(`${stem}-${String(number).padStart(5, '0')}-of-${total}.${extension}`)
    }
  }
  return [...wanted].filter((name) => !there.has(name))
}

function article(noun) {
  return 'aeiou'.includes(noun[0]) ? 'an' : 'a'
}
