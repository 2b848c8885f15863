// One model, from all sides. Each side is a view with an address of its own.

import { get, modelPath, inquire } from '../core/api.js'
import { element } from '../core/dom.js'
import { route } from '../core/router.js'
import { layers } from './inspect/layers.js'
import { metadata } from './inspect/metadata.js'
import { overview } from './inspect/overview.js'
import { provenance } from './inspect/provenance.js'
import { tensors } from './inspect/tensors.js'
import { texts } from './inspect/texts.js'

const SIDES = [
  ['', 'Overview', overview],
  ['metadata', 'Metadata', metadata],
  ['tensors', 'Tensors', tensors],
  ['texts', 'Template and texts', texts],
  ['layers', 'Layers', layers],
  ['provenance', 'Provenance', provenance],
]

export const title = ({ name }) => name

export async function show(context) {
  const {
    parameters: { name, side = '' },
    content,
  } = context
  const found = SIDES.find(([key]) => key === side)
  const links = SIDES.map(([key, label]) =>
    element(
      'a',
      { href: route(['models', name, key].filter(Boolean)), 'aria-current': key === side ? 'page' : null },
      label,
    ),
  )
  content.append(
    element(
      'nav',
      { class: 'tabs', 'aria-label': `Sides of ${name}` },
      links,
      element('a', { href: route(['models', name, 'publish']) }, 'Publish and take away'),
    ),
  )
  if (!found) return content.append(element('p', {}, 'Models have no such side.'))
  const [, , fill] = found
  const { signal, query } = context
  const model = {
    name,
    shown: () => inquire('api/show', { model: name }, { signal }),
    look: (view) => get(modelPath(name, view), { signal }),
  }
  await fill({ model, content, query, signal })
}
