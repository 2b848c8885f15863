// The files that were given, each with what it is and how far it is.

import { element } from '../../core/dom.js'
import { bytes } from '../../core/format.js'
import { headers, numbers, texts } from '../../widgets/columns.js'
import { List } from '../../widgets/list.js'

export function fileList() {
  return new List({
    label: 'Files',
    columns: [
      headers('File', ({ path }) => path),
      { ...texts('What it is', ({ found }) => found.kind), cell: kindOf },
      numbers('Size', ({ file }) => file.size, bytes),
      { ...texts('State', ({ state }) => state), cell: stateOf },
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
