// The way from the source to the job.

import { hasSource } from '../../core/draft.js'
import { element } from '../../core/dom.js'
import { route } from '../../core/router.js'
import { link } from '../../widgets/button.js'

const STEPS = [
  ['', 'Source'],
  ['types', 'Types'],
  ['plan', 'Plan'],
]

/** Where one stands on it. */
export function steps(current) {
  const step = ([key, label], index) => {
    const attributes = {
      href: route(['new', key].filter(Boolean)),
      'aria-current': key === current ? 'step' : null,
    }
    return element('a', attributes, `${index + 1}. ${label}`)
  }
  return element('nav', { class: 'tabs', 'aria-label': 'Steps' }, STEPS.map(step))
}

/** Begins the view of a step that needs a source. Answers whether there is one. */
export function begun(draft, current, content) {
  content.append(steps(current))
  if (hasSource(draft)) return true
  const way = link('Choose a source.', route(['new']))
  content.append(element('p', {}, 'First say what the model is to be made from. ', way))
  return false
}
