// How far something is, how fast it goes and how long it will take.

import { element } from '../core/dom.js'
import { bytes, duration } from '../core/format.js'
import { Rate } from '../core/rate.js'

export class Progress {
  #rate = new Rate()
  #bar
  #text = element('span', { class: 'muted number' })

  constructor(label) {
    this.#bar = element('progress', { max: '1', value: '0', 'aria-label': label })
    this.node = element(
      'div',
      { class: 'stack' },
      element('div', { class: 'row ends' }, element('span', {}, label), this.#text),
      this.#bar,
    )
  }

  /** So many bytes of so many are done. */
  set(done, total) {
    this.#rate.add(done)
    this.#bar.max = Math.max(total, 1)
    this.#bar.value = total ? done : 1
    const speed = this.#rate.perSecond
    const rest = total - done
    this.#text.textContent = [
      `${bytes(done)} of ${bytes(total)}`,
      rest > 0 && speed > 0 ? `${bytes(speed)}/s, ${duration(this.#rate.left(rest))} left` : '',
    ]
      .filter(Boolean)
      .join(', ')
  }
}
