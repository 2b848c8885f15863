// Names with their values.

import { element } from '../core/dom.js'

/** A list of `[name, value]`; pairs without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '')
  return element(
    'dl',
    { class: 'facts' },
    known.map(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]),
  )
}
