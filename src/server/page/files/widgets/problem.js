// What went wrong, where, and what can be done about it, in the server's words.

import { element } from '../core/dom.js'

/** A notice of an error. */
export function problem(error) {
  return element(
    'div',
    { class: 'notice problem', role: 'alert' },
    element('p', {}, element('strong', {}, error.file ? `${error.file}: ` : ''), error.message),
    error.hint ? element('p', { class: 'hint' }, error.hint) : null,
  )
}

/** A notice of something that a person should know. */
export function warning(text) {
  return element('p', { class: 'notice warning' }, text)
}
