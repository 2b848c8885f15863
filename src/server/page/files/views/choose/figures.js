// The types as a table and as a plot of size against error.

import { element } from '../../core/dom.js'
import { bits, bytes, share } from '../../core/format.js'
import { List } from '../../widgets/list.js'
import { scatter } from '../../widgets/plot.js'

/** A table in which types are chosen. */
export function typeTable({ isChosen, toggle }) {
  let limit = null
  let last = ''
  const list = new List({
    label: 'Types',
    columns: [
      {
        name: 'Type',
        isHeader: true,
        cell: (candidate) => box(candidate, isChosen, toggle),
        order: (candidate) => candidate.name,
      },
      {
        name: 'Size',
        isNumber: true,
        cell: (candidate) => bytes(candidate.size),
        order: (candidate) => candidate.size,
      },
      {
        name: 'Memory to run',
        isNumber: true,
        cell: (candidate) => bytes(candidate.memory),
        order: (candidate) => candidate.memory,
      },
      {
        name: 'Bits per weight',
        isNumber: true,
        cell: (candidate) => bits(candidate.bits),
        order: (candidate) => candidate.bits,
      },
      {
        name: 'Error',
        isNumber: true,
        cell: (candidate) => (candidate.isMeasuring ? 'measuring …' : share(candidate.error)),
        order: (candidate) => candidate.error,
      },
      { name: 'Remarks', cell: (candidate) => remarks(candidate, limit) },
    ],
  })
  return {
    node: list.node,
    show(candidates, memory) {
      limit = memory
      // A table that is made anew while somebody is in it would take the focus away.
      const text = JSON.stringify([candidates, memory])
      if (text === last) return
      last = text
      if (list.node.contains(document.activeElement))
        candidates.forEach((candidate) => refreshed(list, candidate))
      else list.show(candidates)
    },
  }
}

function refreshed(list, candidate) {
  const focused = document.activeElement?.closest('tr')?.textContent ?? ''
  if (!focused.startsWith(candidate.name)) list.refresh(candidate)
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
