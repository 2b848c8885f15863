// How two models differ: in size, in metadata, and tensor by tensor.

import { get } from '../core/api.js'
import { element, replace } from '../core/dom.js'
import { bytes, counted, shape, share } from '../core/format.js'
import { go, route } from '../core/router.js'
import { checkBox, choice } from '../widgets/field.js'
import { List } from '../widgets/list.js'
import { scatter } from '../widgets/plot.js'
import { problem } from '../widgets/problem.js'

export const title = 'Compare'

export async function show({ query, signal, content }) {
  const { models } = await get('api/tags', { signal })
  const names = models.map((model) => model.name).sort((one, other) => one.localeCompare(other))
  const named = (key) => fullName(query.get(key) ?? '', names)
  const [a, b] = [named('a'), named('b')]
  const options = [['', 'Choose a model'], ...names]
  const first = choice('One model', options, a, { required: true })
  const second = choice('The other', options, b, { required: true })
  const quality = checkBox(
    'Measure the error between their weights, which reads both',
    query.get('quality') === 'true',
  )
  const submit = (event) => {
    event.preventDefault()
    go(
      route(['compare'], {
        a: first.control.value,
        b: second.control.value,
        quality: quality.control.checked ? 'true' : '',
      }),
    )
  }
  const result = element('div', { class: 'view' })
  content.append(
    element(
      'form',
      { class: 'panel', on: { submit } },
      element('div', { class: 'columns' }, first.node, second.node),
      quality.node,
      element('div', { class: 'actions' }, element('button', { class: 'primary' }, 'Compare')),
    ),
    result,
  )
  if (!a || !b) return
  replace(result, element('p', { role: 'status' }, 'Comparing …'))
  try {
    const measure = query.get('quality') === 'true' ? '&quality=true' : ''
    const answer = await get(
      `ollamake/v1/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}${measure}`,
      { signal },
    )
    replace(result, ...differences(answer))
  } catch (error) {
    if (!signal.aborted) replace(result, problem(error))
  }
}

/** The name as it is listed; a tag that is not said is `latest`. */
function fullName(name, names) {
  return names.find((listed) => listed === name || listed === `${name}:latest`) ?? name
}

function differences({ a, b, metadata, tensors }) {
  const differing = tensors.filter((pair) => !isSame(pair))
  const onlyDiffering = checkBox('Only tensors that differ', differing.length > 0)
  const isMeasured = tensors.some((pair) => typeof pair.error === 'number')
  const list = new List({
    label: 'Tensors of both',
    columns: [
      { name: 'Tensor', isHeader: true, cell: (pair) => pair.name, order: (pair) => pair.name },
      { name: a.model, cell: (pair) => stored(pair.a), order: (pair) => pair.a?.bytes },
      { name: b.model, cell: (pair) => stored(pair.b), order: (pair) => pair.b?.bytes },
      {
        name: 'Difference',
        isNumber: true,
        cell: (pair) => signed((pair.b?.bytes ?? 0) - (pair.a?.bytes ?? 0)),
        order: (pair) => (pair.b?.bytes ?? 0) - (pair.a?.bytes ?? 0),
      },
      ...(isMeasured
        ? [{ name: 'Error', isNumber: true, cell: (pair) => share(pair.error), order: (pair) => pair.error }]
        : []),
    ],
    empty: 'All tensors are stored alike.',
  })
  const fill = () => list.show(onlyDiffering.control.checked ? differing : tensors)
  onlyDiffering.control.addEventListener('change', fill)
  fill()
  const keys = new List({
    label: 'Metadata that differ',
    columns: [
      { name: 'Key', isHeader: true, cell: (pair) => pair.name, order: (pair) => pair.name },
      { name: a.model, cell: (pair) => value(pair.a) },
      { name: b.model, cell: (pair) => value(pair.b) },
    ],
    empty: 'No metadata differ.',
  })
  keys.show(metadata)
  return [
    element(
      'p',
      {},
      `${a.model} has ${bytes(a.tensor_bytes)} of tensors, ${b.model} ${bytes(b.tensor_bytes)}; `,
      `${counted(differing.length, 'tensor')} of ${tensors.length} differ.`,
    ),
    isMeasured ? errorPlot(tensors) : null,
    element('section', { class: 'stack' }, element('h2', {}, 'Metadata'), keys.node),
    element(
      'section',
      { class: 'stack' },
      element('div', { class: 'row ends' }, element('h2', {}, 'Tensors'), onlyDiffering.node),
      list.node,
    ),
  ].filter(Boolean)
}

function errorPlot(tensors) {
  const points = tensors
    .filter((pair) => pair.error > 0)
    .map((pair) => ({ x: pair.b.bytes, y: pair.error, label: pair.name }))
  return points.length
    ? element(
        'section',
        { class: 'stack' },
        element('h2', {}, 'Error of each tensor'),
        scatter({
          points,
          label: 'Error of each tensor against its size in the other model',
          x: bytes,
          y: share,
          isLogX: true,
          isCrowded: true,
        }),
      )
    : null
}

function isSame({ a, b }) {
  return Boolean(a && b) && a.type === b.type && String(a.shape) === String(b.shape)
}

function stored(tensor) {
  return tensor ? `${tensor.type} ${shape(tensor.shape)}, ${bytes(tensor.bytes)}` : 'not there'
}

function value(entry) {
  if (!entry) return 'not there'
  if (entry.length === undefined) return String(entry.value)
  const shown = entry.value.map(String).join(', ')
  return `${counted(entry.length, 'element')}: ${shown}${entry.length > entry.value.length ? ' …' : ''}`
}

function signed(count) {
  if (count === 0) return '0'
  return `${count > 0 ? '+' : '−'}${bytes(Math.abs(count))}`
}
