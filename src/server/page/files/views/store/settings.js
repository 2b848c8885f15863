// How the server is set.

import { element } from '../../core/dom.js'
import { List } from '../../widgets/list.js'

export function settings({ version, settings: all }) {
  const list = new List({
    label: 'Settings',
    columns: [
      {
        name: 'Variable',
        isHeader: true,
        cell: ({ name }) => element('code', {}, name),
        order: ({ name }) => name,
      },
      { name: 'Value', cell: valueOf },
      { name: 'Unless it is set', cell: (setting) => setting.default },
      { name: 'What it means', cell: ({ meaning }) => meaning },
    ],
  })
  list.show(all)
  return [element('p', {}, `ollamake ${version}`), list.node]
}

/** Secrets, and what tells about the machine, the server keeps to itself. */
function valueOf({ value }) {
  if (value === undefined) return element('span', { class: 'muted' }, 'not told')
  return [value].flat().join(', ')
}
