// What a dry run tells: warnings first, then the whole, then each tensor.

import { element, replace } from '../../core/dom.js'
import { bits, bytes, counted, duration, integer, shape, share, shortDigest } from '../../core/format.js'
import { facts } from '../../widgets/facts.js'
import { choice } from '../../widgets/field.js'
import { heatMap } from '../../widgets/heat_map.js'
import { headers, numbers, texts } from '../../widgets/columns.js'
import { List } from '../../widgets/list.js'
import { problem, warning } from '../../widgets/problem.js'

/** An outline; `named` are the models to be, in the order of its outputs. */
export function outlineOf(outline, named) {
  const { outputs, sources, warnings, pulls, written, needed = written, available, time } = outline
  const detail = element('div', { class: 'view' })
  const labels = outputs.map((output, index) => [
    String(index),
    `${named[index]?.model ?? output.model} (${output.type})`,
  ])
  const pick = outputs.length > 1 ? choice('Model', labels, '0') : null
  const draw = () => replace(detail, ...output(outputs[Number(pick?.control.value ?? 0)]))
  pick?.control.addEventListener('change', draw)
  draw()
  return [
    element('div', { class: 'stack' }, [...new Set(warnings)].map(warning)),
    needed > available
      ? problem({
          message: `The disk of the server lacks ${bytes(needed - available)}`,
          hint: 'Delete models, or prune the store.',
        })
      : null,
    pulls ? warning(`${pulls} is pulled first; what it is made of is known only then.`) : null,
    element(
      'section',
      { class: 'panel' },
      element('h2', {}, 'The whole'),
      facts([
        [
          'Reads',
          `${counted(sources.length, 'file')}, ${bytes(sources.reduce((sum, { size }) => sum + size, 0))}`,
        ],
        ['Writes', bytes(written)],
        ['Needs free', bytes(needed)],
        ['Is free', bytes(available)],
        ['Takes about', time ? duration(time.seconds) : null],
      ]),
      sources.length
        ? element(
            'details',
            {},
            element('summary', {}, 'Files that are read'),
            element(
              'ul',
              {},
              sources.map((source) => element('li', {}, `${source.file}, ${bytes(source.size)}`)),
            ),
          )
        : null,
    ),
    pick?.node,
    detail,
  ]
}

function output({ model, type, size, bits_per_weight: density, layers, tensors, memory }) {
  const isMeasured = tensors.some((tensor) => typeof tensor.error === 'number')
  const list = new List({
    label: 'Tensors of the plan',
    columns: [
      headers('Tensor', ({ name }) => name),
      texts('From', ({ from }) => from),
      texts('To', ({ to }) => to),
      { name: 'Shape', cell: (tensor) => shape(tensor.shape) },
      numbers('Size', (tensor) => tensor.bytes, bytes),
      ...(isMeasured ? [numbers('Error', (tensor) => tensor.error, share)] : []),
      texts('Rule', ({ rule }) => rule),
    ],
    empty: 'No weights are made: they stay the file that they are.',
  })
  list.show(tensors)
  const map = heatMap(tensors)
  return [
    element(
      'section',
      { class: 'panel' },
      element('h2', {}, model),
      facts([
        ['Size', bytes(size)],
        ['Type', type],
        ['Bits per weight', density ? bits(density) : null],
        [
          'Memory to run',
          memory ? `${bytes(memory.total)} with a context of ${integer(memory.context)} tokens` : null,
        ],
      ]),
      memory
        ? element('details', {}, element('summary', {}, 'How that memory is counted'), memoryOf(memory))
        : null,
      element(
        'details',
        {},
        element('summary', {}, counted(layers.length, 'layer')),
        element(
          'ul',
          {},
          layers.map((layer) =>
            element(
              'li',
              {},
              `${layer.mediaType}, ${bytes(layer.size)}`,
              layer.digest ? `, ${shortDigest(layer.digest)}` : ', new',
            ),
          ),
        ),
      ),
    ),
    map ? element('section', { class: 'stack' }, element('h2', {}, 'Bits per weight by layer'), map) : null,
    element('section', { class: 'stack' }, element('h2', {}, 'Tensors'), list.node),
  ].filter(Boolean)
}

function memoryOf({ weights, cache, state, formula }) {
  return element(
    'div',
    { class: 'stack' },
    facts([
      ['Weights', bytes(weights)],
      ...cache.map((kept) => [`Keys and values in ${kept.type}`, bytes(kept.bytes)]),
      ['State', state ? bytes(state) : null],
    ]),
    element('p', { class: 'mono' }, formula),
  )
}
