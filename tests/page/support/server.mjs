// The program, with a store of its own.

import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** A started server. `environment` sets it; `store` is its directory, a new one unless it is given. */
export class Server {
  static async start({ environment = {}, store } = {}) {
    const server = new Server()
    server.directory = store ?? (await mkdtemp(join(tmpdir(), 'page-')))
    server.isOwn = store === undefined
    server.environment = environment
    await server.begin('127.0.0.1:0')
    return server
  }

  async begin(host) {
    const environment = {
      ...process.env,
      ...this.environment,
      OLLAMA_HOST: host,
      OLLAMA_MODELS: this.directory,
    }
    this.process = spawn(process.env.OLLAMAKE, ['serve'], {
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let log = ''
    this.url = await new Promise((resolve, reject) => {
      this.process.stderr.on('data', (text) => {
        log += text
        const [, url] = /listening on (http:\S+)/.exec(log) ?? []
        if (url) resolve(url)
      })
      this.process.on('exit', () => reject(new Error(`the server did not start: ${log}`)))
    })
  }

  /** Ends it at once, as a power cut would. */
  async kill() {
    const ended = new Promise((resolve) => this.process.once('exit', resolve))
    this.process.kill('SIGKILL')
    await ended
  }

  /** Starts it again where it was. */
  async again() {
    await this.begin(new URL(this.url).host)
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill()
    if (this.isOwn) await rm(this.directory, { recursive: true })
  }

  async ask(path, body, headers = {}) {
    const response = await fetch(
      new URL(path, this.url),
      body === undefined ? { headers } : { method: 'POST', body: JSON.stringify(body), headers },
    )
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
    return text
  }

  async upload(bytes, headers = {}) {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const response = await fetch(new URL(`api/blobs/${digest}`, this.url), {
      method: 'POST',
      body: bytes,
      headers,
    })
    if (!response.ok) throw new Error(`upload: ${response.status} ${await response.text()}`)
    return digest
  }

  /** Makes a model of the bytes of a GGUF file. */
  async make(model, bytes, more = {}) {
    const digest = await this.upload(bytes)
    const said = await this.ask('api/create', {
      model,
      files: { 'model.gguf': digest },
      stream: false,
      ...more,
    })
    if (!said.includes('success')) throw new Error(said)
    return digest
  }

  /** The small model of the examples. */
  async tiny(model, more) {
    return this.make(model, await readFile(join(process.env.EXAMPLES, 'tiny/tiny.gguf')), more)
  }

  async models() {
    const { models } = JSON.parse(await this.ask('api/tags'))
    return models.map(({ name }) => name).sort()
  }
}
