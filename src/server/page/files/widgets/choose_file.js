// Choosing files of this machine.

import { element } from '../core/dom.js'
import { button } from './button.js'

/**
 * A button that has files chosen, and the browser's own control, which looks different everywhere and is kept
 * out of sight. `id` is for whoever has to find that.
 */
export function chooseFiles(label, id, attributes, chosen) {
  const hidden = { class: 'unseen', tabindex: '-1', 'aria-hidden': 'true' }
  const control = element('input', { type: 'file', id, ...hidden, ...attributes })
  control.addEventListener('change', () => {
    chosen([...control.files])
    // The same file may be chosen again.
    control.value = ''
  })
  return [control, button(label, () => control.click())]
}
