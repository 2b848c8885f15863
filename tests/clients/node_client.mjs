// npm's `ollama` against the server at OLLAMA_HOST.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Ollama } from 'ollama'

const host = process.env.OLLAMA_HOST
const ollama = new Ollama({ host })

/** This client creates from models only, so the first one comes in over plain HTTP. */
async function base(name) {
  const bytes = await readFile(process.env.EXAMPLE_GGUF)
  const digest = 'sha256:' + createHash('sha256').update(bytes).digest('hex')
  const upload = await fetch(`${host}/api/blobs/${digest}`, { method: 'POST', body: bytes })
  assert.ok([200, 201].includes(upload.status))
  const body = JSON.stringify({ model: name, files: { 'tiny.gguf': digest }, stream: false })
  const created = await fetch(`${host}/api/create`, { method: 'POST', body })
  assert.deepEqual(await created.json(), { status: 'success' })
}

test('life of a model', async () => {
  await base('node')
  const answer = await ollama.create({ model: 'node-child', from: 'node', system: 'You are terse.', stream: false })
  assert.equal(answer.status, 'success')

  const statuses = []
  for await (const line of await ollama.create({ model: 'node-q8', from: 'node', quantize: 'q8_0', stream: true })) {
    statuses.push(line.status)
  }
  assert.equal(statuses.at(-1), 'success')

  const shown = await ollama.show({ model: 'node-child' })
  assert.equal(shown.system, 'You are terse.')
  assert.equal(shown.details.family, 'llama')
  assert.equal((await ollama.show({ model: 'node-q8' })).details.quantization_level, 'Q8_0')

  await ollama.copy({ source: 'node', destination: 'node-copy' })
  const names = (await ollama.list()).models.map((model) => model.name)
  for (const name of ['node', 'node-child', 'node-q8', 'node-copy']) {
    assert.ok(names.includes(`${name}:latest`), name)
    await ollama.delete({ model: name })
  }
  assert.equal((await ollama.ps()).models.length, 0)
})

test('errors', async () => {
  await assert.rejects(ollama.show({ model: 'no-such-model' }), { status_code: 404 })
  await assert.rejects(ollama.create({ model: 'bad name!!', from: 'x', stream: false }), { status_code: 400 })
  await assert.rejects(ollama.generate({ model: 'no-such-model', prompt: 'hi' }), { status_code: 501 })
})
