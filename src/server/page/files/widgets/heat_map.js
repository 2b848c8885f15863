// Bits per weight by layer and role, as a table whose cells are coloured: so it is read by everybody.

import { element } from '../core/dom.js'
import { bits, weights } from '../core/format.js'

// Where a tensor of a layer has its number: `blk.7.attn_q.weight`, `v.blk.0.ln1.weight`.
const OF_LAYER = /^((?:.*\.)?blk)\.(\d+)\.(.+?)(?:\.weight)?$/
// The least bits of each step.
const STEPS = [0, 2.2, 3.2, 4.3, 5.3, 6.3, 8.1]

/**
 * A map of `{ name, shape, bytes, to }`, or nothing if none is of a layer. Vectors are left out: they stay as
 * they are.
 */
export function heatMap(tensors) {
  const layers = new Map()
  const roles = new Set()
  for (const tensor of tensors) {
    const [, stack, number, role] = OF_LAYER.exec(tensor.name) ?? []
    if (role === undefined || tensor.shape.length < 2) continue
    const name = stack === 'blk' ? number : `${stack.replace(/\.?blk$/, '')} ${number}`
    if (!layers.has(name)) layers.set(name, new Map())
    layers.get(name).set(role, tensor)
    roles.add(role)
  }
  if (layers.size === 0) return null
  return element(
    'div',
    { class: 'stack' },
    legend(),
    element(
      'div',
      { class: 'map', role: 'region', 'aria-label': 'Bits per weight by layer', tabindex: '0' },
      element(
        'table',
        {},
        element('caption', { class: 'unseen' }, 'Bits per weight of each tensor, a row for each layer'),
        element(
          'thead',
          {},
          element(
            'tr',
            {},
            element('th', { scope: 'col' }, 'Layer'),
            [...roles].map((role) => element('th', { scope: 'col' }, role)),
          ),
        ),
        element(
          'tbody',
          {},
          [...layers].map(([name, row]) =>
            element(
              'tr',
              {},
              element('th', { scope: 'row' }, name),
              [...roles].map((role) => cell(row.get(role))),
            ),
          ),
        ),
      ),
    ),
  )
}

function cell(tensor) {
  if (!tensor) return element('td', {}, '')
  const number = (tensor.bytes * 8) / weights(tensor.shape)
  return element('td', { class: `heat-${step(number)}`, title: `${tensor.name}: ${tensor.to}` }, bits(number))
}

function step(number) {
  return STEPS.filter((least) => number >= least).length
}

function legend() {
  const texts = STEPS.map((least, index) =>
    index === STEPS.length - 1 ? `${least} and more` : `${least} to ${STEPS[index + 1]}`,
  )
  return element(
    'div',
    { class: 'legend' },
    'Bits per weight: ',
    texts.map((text, index) => element('span', { class: `heat-${index + 1}` }, text)),
  )
}
