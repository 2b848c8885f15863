// The layers that the model's manifest names.

import { element } from '../../core/dom.js'
import { bytes } from '../../core/format.js'
import { List } from '../../widgets/list.js'

export async function layers({ model, content }) {
  const manifest = await model.look('manifest')
  const list = new List({
    label: 'Layers',
    columns: [
      {
        name: 'What',
        isHeader: true,
        cell: (layer) => noun(layer.mediaType),
        order: (layer) => layer.mediaType,
      },
      { name: 'Media type', cell: (layer) => element('code', {}, layer.mediaType) },
      { name: 'Size', isNumber: true, cell: (layer) => bytes(layer.size), order: (layer) => layer.size },
      { name: 'Digest', cell: (layer) => element('code', {}, layer.digest) },
    ],
  })
  content.append(
    element('p', { class: 'muted' }, 'Manifest ', element('code', {}, manifest.digest)),
    list.node,
  )
  list.show(manifest.layers)
}

function noun(mediaType) {
  return mediaType.split('.').at(-1).replace(/\+.*/, '')
}
