// Saving what the page has made itself.

import { element } from './dom.js'

/** Has the browser save a text under this name. */
export function save(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
  element('a', { href: url, download: name }).click()
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
