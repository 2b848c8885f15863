// The files on their way to the server. The queue belongs to the page, not to a view: it goes on while people
// look at something else.

import { Unreachable } from '../core/api.js'
import { whenBack } from '../core/outage.js'
import { Rate } from '../core/rate.js'
import { fingerprint, recall, remember } from './remembered.js'
import { create, look, send, terminate } from './tus.js'

// Files that are sent at once: a second one keeps the line busy while the server ends the first.
const LANES = 2
// After so many interruptions without a byte more in between, the server does not want the file.
const MOST_FAILURES = 3

/**
 * Entries are `{ path, file, state, sent, digest, error }`; states are `waiting`, `uploading`, `done` and
 * `failed`. The event `change` tells that something is new.
 */
export class UploadQueue extends EventTarget {
  entries = []
  isPaused = false
  #rate = new Rate()
  #lanes = 0
  #stop = new AbortController()

  /** Takes `{ path, file }` to be uploaded in place of all others; what else they have stays with them. */
  set(files) {
    this.#stop.abort()
    this.#stop = new AbortController()
    this.#rate = new Rate()
    this.isPaused = false
    this.entries = files.map((file) => ({ ...file, state: 'waiting', sent: 0, digest: null, error: null }))
    this.#run()
  }

  /** Sends nothing more until `resume`. What the server has, it keeps. */
  pause() {
    this.isPaused = true
    this.#stop.abort()
    this.#stop = new AbortController()
    this.#rate = new Rate()
    this.#changed()
  }

  /** Goes on, also with what has failed. */
  resume() {
    this.isPaused = false
    for (const entry of this.entries) {
      if (entry.state === 'failed') Object.assign(entry, { state: 'waiting', error: null })
    }
    this.#run()
  }

  get total() {
    return this.entries.reduce((sum, entry) => sum + entry.file.size, 0)
  }

  get sent() {
    return this.entries.reduce((sum, entry) => sum + entry.sent, 0)
  }

  /** Bytes a second. */
  get speed() {
    return this.#rate.perSecond
  }

  get isDone() {
    return this.entries.length > 0 && this.entries.every((entry) => entry.state === 'done')
  }

  get hasFailed() {
    return this.entries.some((entry) => entry.state === 'failed')
  }

  #changed() {
    this.#rate.add(this.sent)
    this.dispatchEvent(new Event('change'))
  }

  #run() {
    // One that finds nothing to do ends at once, so they are counted beforehand.
    for (let idle = LANES - this.#lanes; idle > 0; idle -= 1) {
      this.#lanes += 1
      this.#lane()
    }
    this.#changed()
  }

  async #lane() {
    while (!this.isPaused) {
      const entry = this.entries.find(({ state }) => state === 'waiting')
      if (!entry) break
      const { signal } = this.#stop
      entry.state = 'uploading'
      this.#changed()
      try {
        entry.digest = await this.#upload(entry, signal)
        Object.assign(entry, { state: 'done', sent: entry.file.size })
      } catch (error) {
        if (signal.aborted) entry.state = 'waiting'
        else Object.assign(entry, { state: 'failed', error })
      }
      this.#changed()
    }
    this.#lanes -= 1
  }

  async #upload(entry, signal) {
    const { file, path } = entry
    const mark = await fingerprint(file, path)
    let url = recall(mark)
    for (let failures = 0; ;) {
      try {
        let state = url && (await look(url, { signal }))
        if (!state) {
          url = await create(file, path, { signal })
          remember(mark, url)
          state = { offset: 0, digest: null }
        }
        if (state.offset > entry.sent) failures = 0
        entry.sent = state.offset
        this.#changed()
        if (!state.digest) {
          const progressed = (sent) => {
            entry.sent = sent
            this.#changed()
          }
          state = await send(url, file, state.offset, { signal, progressed })
        }
        if (state.digest) return state.digest
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error
        failures += 1
        if (failures > MOST_FAILURES)
          throw new Error('the server ends the upload again and again; its disk may be full')
        await whenBack(signal)
      }
    }
  }

  /** Forgets them; the server has them. */
  forget() {
    this.set([])
  }

  /** Takes back what was uploaded of files that are not wanted any more. */
  async clear() {
    const { entries } = this
    this.set([])
    for (const entry of entries.filter(({ state }) => state !== 'done')) {
      const mark = await fingerprint(entry.file, entry.path)
      const url = recall(mark)
      remember(mark, null)
      if (url) await terminate(url).catch(() => {})
    }
  }
}

/** The queue of this page. */
export const queue = new UploadQueue()
