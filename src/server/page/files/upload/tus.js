// Uploads that go on where they were: tus 1.0, https://tus.io/protocols/resumable-upload

import { address, ask, Refusal, Unreachable } from '../core/api.js'
import { authorization } from '../core/key.js'
import { reportOutage } from '../core/outage.js'

const UPLOADS = 'ollamake/v1/uploads'
const VERSION = { 'Tus-Resumable': '1.0.0' }

/** Begins an upload of a file, and answers where it lies. */
export async function create(file, name, { signal } = {}) {
  const metadata = `filename ${base64(name)}`
  const response = await ask(UPLOADS, {
    method: 'POST',
    signal,
    headers: { ...VERSION, 'Upload-Length': String(file.size), 'Upload-Metadata': metadata },
  })
  if (response.status !== 201) throw await refusal(response)
  return new URL(response.headers.get('Location'), address(UPLOADS)).href
}

/** How much of it the server has, and the digest of what is complete; nothing if it is not known any more. */
export async function look(url, { signal } = {}) {
  const response = await ask(url, { method: 'HEAD', signal, headers: VERSION, cache: 'no-store' })
  if ([403, 404, 410].includes(response.status)) return null
  if (!response.ok) throw await refusal(response)
  return {
    offset: Number(response.headers.get('Upload-Offset')),
    digest: response.headers.get('Ollamake-Digest'),
  }
}

/** Gives up an upload. */
export async function terminate(url) {
  await ask(url, { method: 'DELETE', headers: VERSION })
}

/**
 * Sends what is left of a file in one request and tells how far it is; answers as `look` does. `fetch` does
 * not tell how much has been sent, hence the older interface. The browser reads the file by itself, so
 * nothing of it passes through here.
 */
export function send(url, file, offset, { signal, progressed }) {
  const request = new XMLHttpRequest()
  request.open('PATCH', url)
  const headers = {
    ...VERSION,
    ...authorization(),
    'Upload-Offset': String(offset),
    'Content-Type': 'application/offset+octet-stream',
  }
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
  return new Promise((resolve, reject) => {
    const abort = () => request.abort()
    signal.addEventListener('abort', abort)
    request.upload.onprogress = (event) => progressed(offset + event.loaded)
    request.onloadend = () => signal.removeEventListener('abort', abort)
    request.onabort = () => reject(signal.reason)
    request.onerror = () => {
      reportOutage()
      reject(new Unreachable())
    }
    request.onload = () => {
      if (request.status !== 204) return reject(new Refusal(request.status, parsed(request.responseText)))
      resolve({
        offset: Number(request.getResponseHeader('Upload-Offset')),
        digest: request.getResponseHeader('Ollamake-Digest'),
      })
    }
    request.send(file.slice(offset))
  })
}

async function refusal(response) {
  return new Refusal(response.status, parsed(await response.text()))
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return { error: text }
  }
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}
