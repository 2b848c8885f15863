// What a job says: a bar for each thing that has a length, and a log of all else.

import { element } from '../../core/dom.js'
import { Progress } from '../../widgets/progress.js'

const WARNING = 'warning: '

export class Telling {
  #bars = new Map()
  #barsNode = element('div', { class: 'stack' })
  #log = element('ol', { class: 'log', tabindex: '0', 'aria-label': 'What the job said' })
  #failed

  /** `failed` is called with `{ message, hint, file }` if the job fails. */
  constructor(failed) {
    this.#failed = failed
    const log = element('section', { class: 'panel' }, element('h2', {}, 'Log'), this.#log)
    this.node = element('div', { class: 'stack' }, this.#barsNode, log)
  }

  tell({ status, digest, total, completed = 0, error, hint, file }) {
    if (error) this.#failed({ message: error, hint, file })
    if (total) return this.#bar(status, digest).set(completed, total)
    const kind = status?.startsWith(WARNING) ? 'warned' : null
    if (status) this.#log.append(element('li', { class: kind }, status))
  }

  /** Clients tell bars apart by digest; what is being made has a stand-in for it, hence the words too. */
  #bar(status, digest) {
    const key = `${digest} ${status}`
    if (!this.#bars.has(key)) {
      const bar = new Progress(status)
      this.#bars.set(key, bar)
      this.#barsNode.append(bar.node)
    }
    return this.#bars.get(key)
  }
}
