// How far the upload is, with what can be done about it.

import { element, replace } from '../../core/dom.js'
import { bytes, duration } from '../../core/format.js'
import { queue } from '../../upload/queue.js'
import { button } from '../../widgets/button.js'
import { problem } from '../../widgets/problem.js'

// The screen needs no more, and every change costs the upload time.
const REDRAW = 250

export class Transfer {
  node = element('div', { class: 'stack' })
  #drawn = 0
  #refresh
  #finish

  /** `refresh` is called for each entry that may have changed, `finish` once all files are sent. */
  constructor(signal, refresh, finish) {
    this.#refresh = refresh
    this.#finish = finish
    queue.addEventListener('change', () => this.#draw(), { signal })
    this.#draw()
  }

  #draw() {
    const now = performance.now()
    const isSettled = queue.isDone || queue.hasFailed || queue.isPaused
    if (now - this.#drawn < REDRAW && !isSettled) return
    this.#drawn = now
    if (queue.isDone) return this.#finish()
    const act = control()
    const hadFocus = this.node.contains(document.activeElement)
    replace(this.node, queue.entries.length ? progress(act) : null)
    if (hadFocus) act.focus()
    queue.entries.forEach(this.#refresh)
  }
}

function control() {
  return queue.isPaused || queue.hasFailed
    ? button('Go on', () => queue.resume(), { kind: 'primary' })
    : button('Pause', () => queue.pause())
}

function progress(act) {
  const { entries, total, sent, speed, isPaused } = queue
  const pace = speed > 0 ? `, ${bytes(speed)}/s, ${duration((total - sent) / speed)} left` : ''
  const text = `${bytes(sent)} of ${bytes(total)}${isPaused ? ', paused' : pace}`
  const failures = entries.filter(({ state }) => state === 'failed')
  return [
    element('progress', { max: String(total), value: String(sent), 'aria-label': 'Upload' }),
    element('div', { class: 'row ends' }, element('p', { class: 'muted' }, text), act),
    failures.map(({ path, error }) => problem({ message: `${path}: ${error.message}`, hint: error.hint })),
  ]
}
