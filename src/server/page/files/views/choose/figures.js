// The types as a table and as a plot of size against error.

import { element } from '../../core/dom.js'
import { bits, bytes, share } from '../../core/format.js'
import { headers, numbers } from '../../widgets/columns.js'
import { List } from '../../widgets/list.js'
import { scatter } from '../../widgets/plot.js'

/** A table in which types are chosen. */
export function typeTable({ isChosen, toggle }) {
  let limit = null
  const list = new List({
    label: 'Types',
    columns: [
      { ...headers('Type', ({ name }) => name), cell: (candidate) => box(candidate, isChosen, toggle) },
      numbers('Size', ({ size }) => size, bytes),
      numbers('Memory to run', ({ memory }) => memory, bytes),
      numbers('Bits per weight', (candidate) => candidate.bits, bits),
      { ...numbers('Error', ({ error }) => error, share), cell: errorOf },
      { name: 'Remarks', cell: (candidate) => remarks(candidate, limit) },
    ],
  })
  return {
    node: list.node,
    show(candidates, memory) {
      limit = memory
      list.show(candidates)
    },
  }
}

function errorOf({ isMeasuring, error }) {
  return isMeasuring ? 'measuring …' : share(error)
}

function box(candidate, isChosen, toggle) {
  const control = element('input', {
    type: 'checkbox',
    checked: isChosen(candidate),
    disabled: candidate.needsMatrix || candidate.refusal !== '',
    on: { change: () => toggle(candidate, control.checked) },
  })
  return element('label', { class: 'check' }, control, element('span', {}, candidate.name))
}

function remarks(candidate, limit) {
  if (candidate.needsMatrix) return element('span', { class: 'muted' }, 'needs an importance matrix')
  if (candidate.refusal) return element('span', { class: 'muted' }, candidate.refusal)
  const needed = memoryOf(candidate)
  if (limit === null || needed === null) return ''
  return needed <= limit
    ? element('span', { class: 'badge good' }, 'fits')
    : element('span', { class: 'badge caution' }, 'too large')
}

/** What it takes to run; of what is no language model only the weights are known. */
export function memoryOf({ memory, size }) {
  return memory ?? size
}

/** The plot, once at least two errors are known. */
export function errorAgainstSize(candidates, isChosen, limit) {
  const points = candidates
    .filter(({ size, error }) => size > 0 && error > 0)
    .map((candidate) => ({
      x: candidate.size,
      y: candidate.error,
      label: candidate.name,
      isChosen: isChosen(candidate),
    }))
  if (points.length < 2) return null
  return scatter({
    points,
    label: 'Error of each type against its size; the table has the same numbers',
    x: bytes,
    y: share,
    limit,
  })
}
