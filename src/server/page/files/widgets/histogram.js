// Bars beside their names, as long as their values.

import { element } from '../core/dom.js'

/** A bar for each of `{ label, value, text }`; `name` is the label where that is no text. */
export function histogram(entries) {
  const most = Math.max(...entries.map(({ value }) => value), 1)
  return element(
    'div',
    { class: 'bars' },
    entries.map(({ label, name = label, value, text }) => [
      element('span', {}, label),
      element('meter', {
        min: '0',
        max: String(most),
        value: String(value),
        'aria-label': `${name}: ${text}`,
      }),
      element('span', { class: 'muted' }, text),
    ]),
  )
}
