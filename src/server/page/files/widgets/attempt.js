// A place for what goes wrong.

import { element, replace } from '../core/dom.js'
import { problem } from './problem.js'

/** Has things tried one after the other; what went wrong with the last one stands in `node`. */
export class Attempts {
  node = element('div')
  #signal

  /** After the signal nobody is there to read it. */
  constructor(signal) {
    this.#signal = signal
  }

  /** Tries, and answers what comes of it, or nothing. */
  async run(act) {
    replace(this.node)
    try {
      return await act()
    } catch (error) {
      if (!this.#signal.aborted) replace(this.node, problem(error))
      return undefined
    }
  }
}
