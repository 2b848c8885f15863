// npm's `tus-js-client` against the server at OLLAMA_HOST, over a connection that is cut ten times.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import * as tus from 'tus-js-client'

const host = process.env.OLLAMA_HOST
const LENGTH = 22_000_000
const CUTS = 10
// Of bytes that go to the server.
const INTERVAL = 1_500_000

/** Passes connections on to the server, and breaks one whenever so many bytes more have gone there. */
async function cuttingProxy() {
  const { hostname, port } = new URL(host)
  const proxy = { cuts: 0, sent: 0 }
  proxy.server = createServer((client) => {
    const server = connect(Number(port), hostname)
    const end = () => (client.destroy(), server.destroy())
    client.on('data', (data) => {
      proxy.sent += data.length
      if (proxy.cuts < CUTS && proxy.sent > INTERVAL * (proxy.cuts + 1)) {
        proxy.cuts += 1
        return end()
      }
      if (!server.write(data)) client.pause()
    })
    server.on('drain', () => client.resume())
    server.on('data', (data) => client.write(data))
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
  })
  await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve))
  proxy.url = `http://127.0.0.1:${proxy.server.address().port}`
  return proxy
}

async function upload(options) {
  const contents = randomBytes(LENGTH)
  const proxy = await cuttingProxy()
  let told
  const url = await new Promise((resolve, reject) => {
    const upload = new tus.Upload(contents, {
      endpoint: `${proxy.url}/ollamake/v1/uploads`,
      metadata: { filename: 'm.gguf' },
      retryDelays: Array(30).fill(50),
      onAfterResponse: (_, response) => (told = response.getHeader('Ollamake-Digest') ?? told),
      onSuccess: () => resolve(upload.url),
      onError: reject,
      ...options,
    })
    upload.start()
  })
  proxy.server.close()
  assert.equal(proxy.cuts, CUTS)
  assert.ok(proxy.sent < LENGTH * 2, `${proxy.sent} bytes were sent`)
  const digest = 'sha256:' + createHash('sha256').update(contents).digest('hex')
  assert.equal(told, digest)
  assert.equal((await fetch(`${host}/api/blobs/${digest}`, { method: 'HEAD' })).status, 200)
  const direct = host + new URL(url).pathname
  const ended = await fetch(direct, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } })
  assert.equal(ended.status, 204)
}

test('all in one request', () => upload({}))

test('in chunks', () => upload({ chunkSize: 1_000_000 }))

test('bytes with the first request', () => upload({ uploadDataDuringCreation: true, chunkSize: 1_000_000 }))

test('a client can take back what it began', async () => {
  const contents = randomBytes(3_000_000)
  const upload = new tus.Upload(contents, { endpoint: `${host}/ollamake/v1/uploads`, chunkSize: 1_000_000 })
  await new Promise((resolve, reject) => {
    upload.options.onError = reject
    upload.options.onChunkComplete = () => upload.abort(true).then(resolve, reject)
    upload.start()
  })
  const asked = await fetch(upload.url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' } })
  assert.equal(asked.status, 404)
})
