// The files that were given, each with what it is and how far it is.

import { element } from '../../core/dom.js'
import { bytes } from '../../core/format.js'
import { List } from '../../widgets/list.js'

export function fileList() {
  return new List({
    label: 'Files',
    columns: [
      { name: 'File', isHeader: true, cell: ({ path }) => path, order: ({ path }) => path },
      { name: 'What it is', cell: kindOf, order: ({ found }) => found.kind },
      { name: 'Size', isNumber: true, cell: ({ file }) => bytes(file.size), order: ({ file }) => file.size },
      { name: 'State', cell: stateOf, order: ({ state }) => state },
    ],
  })
}

function kindOf({ found }) {
  if (found.kind !== 'wrong') return found.text
  return [element('span', { class: 'badge bad' }, 'cannot be used'), ' ', found.text]
}

function stateOf({ found, state, sent }) {
  if (found.kind === 'unneeded') return 'left out'
  return state === 'uploading' ? `${bytes(sent)} sent` : (state ?? '')
}
