// The server's interface, as every client has it. Paths are relative to the server's root, so that the page
// also works where a proxy puts the server under a path of its own.

import { authorization, demandKey } from './key.js'
import { reportOutage, whenBack } from './outage.js'

const root = new URL('../', new URL('.', document.baseURI))

/** What the server refused: its words, and what can be done about it. */
export class Refusal extends Error {
  constructor(status, { error, hint, file } = {}) {
    super(error || `the server answered ${status}`)
    this.status = status
    this.hint = hint ?? ''
    this.file = file ?? ''
  }
}

/** The server did not answer, or not to the end. */
export class Unreachable extends Error {
  constructor() {
    super('the server does not answer')
  }
}

/** The address of a path of the interface, which may have a slash before it. */
export function address(path) {
  return new URL(path.replace(/^\//, ''), root).href
}

/** A path about a model; names have slashes of their own, which stay. */
export function modelPath(name, view) {
  return `ollamake/v1/models/${name.split('/').map(encodeURIComponent).join('/')}/${view}`
}

/** Asks, with the key if there is one, and asks the person for it if it turns out to be needed. */
export async function ask(path, { headers = {}, ...options } = {}) {
  for (;;) {
    const response = await answered(path, { ...options, headers: { ...headers, ...authorization() } })
    if (response.status !== 401) return response
    await demandKey()
  }
}

async function answered(path, options) {
  try {
    return await fetch(address(path), options)
  } catch (error) {
    options.signal?.throwIfAborted()
    reportOutage()
    throw new Unreachable()
  }
}

async function expectSuccess(response) {
  if (response.ok) return response
  const text = await response.text().catch(() => '')
  throw new Refusal(response.status, parsed(text) ?? { error: text.trim() })
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

async function json(response) {
  try {
    return await response.json()
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refusal(response.status, { error: 'the answer is not JSON' })
    throw error.name === 'AbortError' ? error : new Unreachable()
  }
}

/** What the server tells under a path. While it is gone, this waits for it. */
export function get(path, { signal } = {}) {
  return patiently(path, { signal })
}

/** The same for what is asked with a body, and changes nothing either. */
export function inquire(path, body, { signal } = {}) {
  return patiently(path, { method: 'POST', body: JSON.stringify(body), signal })
}

async function patiently(path, options) {
  for (;;) {
    try {
      return await json(await expectSuccess(await ask(path, options)))
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error
      await whenBack(options.signal)
    }
  }
}

/** Sends a request that changes something, once. The answer is JSON, or nothing. */
export async function send(method, path, body, { signal } = {}) {
  const response = await expectSuccess(await ask(path, { method, signal, body: JSON.stringify(body ?? {}) }))
  const text = await response.text()
  return text ? (parsed(text) ?? text) : null
}

/** The lines of JSON that the server says, as they come. */
export async function* lines(path, { method = 'GET', body, signal } = {}) {
  const options = { method, signal, body: body === undefined ? undefined : JSON.stringify(body) }
  const response = await expectSuccess(await ask(path, options))
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    let part
    try {
      part = await reader.read()
    } catch (error) {
      signal?.throwIfAborted()
      reportOutage()
      throw new Unreachable()
    }
    if (part.done) break
    const complete = (rest + part.value).split('\n')
    rest = complete.pop()
    for (const line of complete) if (line) yield JSON.parse(line)
  }
  if (rest.trim()) yield JSON.parse(rest)
}
