// What people press and follow.

import { element } from '../core/dom.js'

/**
 * A button. `kind` is made of `primary`, `danger` and `quiet`; `name` says what it is about where the label
 * does not.
 */
export function button(label, press, { kind = null, name = null } = {}) {
  return element('button', { type: 'button', class: kind, 'aria-label': name, on: { click: press } }, label)
}

/** A link to a view. */
export function link(label, target, kind = null) {
  return element('a', { href: target, class: kind }, label)
}

/** Things to press, side by side. */
export function actions(...children) {
  return element('div', { class: 'actions' }, children)
}
