// The tensors of a model: how many bytes which types take, and each tensor.

import { element } from '../../core/dom.js'
import { bits, bytes, counted, integer, shape, share, weights } from '../../core/format.js'
import { textField } from '../../widgets/field.js'
import { histogram } from '../../widgets/histogram.js'
import { headers, numbers, texts } from '../../widgets/columns.js'
import { List } from '../../widgets/list.js'

export async function tensors({ model, content }) {
  const { tensors: all, files } = await model.look('tensors')
  const isMeasured = all.some((tensor) => typeof tensor.error === 'number')
  const search = textField('Search', { type: 'search' }, 'A part of a name, or a type')
  const count = element('p', { class: 'muted', role: 'status' }, counted(all.length, 'tensor'))
  const list = new List({
    label: 'Tensors',
    columns: [
      headers('Name', ({ name }) => name),
      texts('Type', ({ type }) => type),
      { name: 'Shape', cell: (tensor) => shape(tensor.shape), order: (tensor) => weights(tensor.shape) },
      numbers('Size', (tensor) => tensor.bytes, bytes),
      numbers('Bits', bitsOf, bits),
      ...(isMeasured ? [numbers('Error', ({ error }) => error, share)] : []),
      numbers('Offset', ({ offset }) => offset, integer),
      ...(files.length > 1 ? [numbers('File', ({ shard }) => shard, integer)] : []),
    ],
    empty: 'No tensor is called so.',
  })
  search.control.addEventListener('input', () => {
    const wanted = search.control.value.trim().toLowerCase()
    const found = all.filter(
      (tensor) => tensor.name.toLowerCase().includes(wanted) || tensor.type.toLowerCase() === wanted,
    )
    list.show(found)
    count.textContent = `${counted(found.length, 'tensor')} of ${integer(all.length)}`
  })
  content.append(
    element('section', { class: 'panel' }, element('h2', {}, 'Types'), histogram(byType(all))),
    element('div', { class: 'row ends' }, search.node, count),
    list.node,
  )
  list.show(all)
}

function bitsOf(tensor) {
  const count = weights(tensor.shape)
  return count ? (tensor.bytes * 8) / count : 0
}

function byType(all) {
  const sums = new Map()
  for (const { type, bytes: size } of all) {
    const sum = sums.get(type) ?? { label: type, value: 0, count: 0 }
    sums.set(type, { ...sum, value: sum.value + size, count: sum.count + 1 })
  }
  return [...sums.values()]
    .sort((a, b) => b.value - a.value)
    .map((sum) => ({ ...sum, text: `${bytes(sum.value)} in ${counted(sum.count, 'tensor')}` }))
}
