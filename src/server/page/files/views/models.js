// All models, and what can be done with each.

import { get } from '../core/api.js'
import { announce } from '../core/announce.js'
import { element } from '../core/dom.js'
import { age, bytes, counted } from '../core/format.js'
import { keep, route } from '../core/router.js'
import { Attempts } from '../widgets/attempt.js'
import { actions, button, link } from '../widgets/button.js'
import { textField } from '../widgets/field.js'
import { List } from '../widgets/list.js'
import { copy, remove, rename } from './models/change.js'

export const title = 'Models'

export async function show({ query, signal, content }) {
  let models = []
  const attempts = new Attempts(signal)
  const search = textField('Search', { type: 'search', value: query.get('search') ?? '' })
  const count = element('p', { class: 'muted', role: 'status' })
  const change = (carryOut) =>
    attempts.run(async () => {
      const said = await carryOut()
      if (!said) return
      await load()
      announce(said)
    })
  const list = new List({
    label: 'Models',
    columns: columns(change),
    empty: element('span', {}, 'No models here. ', link('Make one.', route(['new']))),
  })

  function filter() {
    const wanted = search.control.value.trim().toLowerCase()
    const found = models.filter((model) => matches(model, wanted))
    list.show(found)
    const own = models.reduce((sum, model) => sum + (model.own ?? 0), 0)
    count.textContent = wanted
      ? `${counted(found.length, 'model')} of ${models.length}`
      : `${counted(models.length, 'model')}, ${bytes(own)} of their own`
  }

  async function load() {
    // Names stand there as soon as they are known; what each takes is counted by walking through the store.
    ;({ models } = await get('api/tags', { signal }))
    filter()
    const { models: usage } = await get('ollamake/v1/store', { signal })
    const used = new Map(usage.map(({ model, own, shared }) => [model, { own, shared }]))
    models = models.map((model) => ({ ...model, ...used.get(model.name) }))
    filter()
  }

  search.control.addEventListener('input', () => {
    filter()
    keep(route(['models'], { search: search.control.value.trim() }))
  })
  content.append(element('div', { class: 'row ends' }, search.node, count), attempts.node, list.node)
  await load()
}

function matches({ name, details }, wanted) {
  const { family, quantization_level: type, parameter_size: size } = details
  return [name, family, type, size].some((text) => text?.toLowerCase().includes(wanted))
}

function columns(change) {
  const number = (name, value) => ({
    name,
    isNumber: true,
    cell: (model) => bytes(value(model)),
    order: value,
  })
  const text = (name, value) => ({ name, cell: value, order: value })
  const parameters = ({ details }) => details.parameter_size
  return [
    { name: 'Name', isHeader: true, cell: nameCell, order: ({ name }) => name },
    number('Size', ({ size }) => size),
    text('Family', ({ details }) => details.family),
    text('Type', ({ details }) => details.quantization_level),
    { ...text('Parameters', parameters), isNumber: true, order: (model) => weightsOf(parameters(model)) },
    number('Own', ({ own }) => own),
    number('Shared', ({ shared }) => shared),
    {
      name: 'Changed',
      cell: (model) => age(model.modified_at),
      order: (model) => Date.parse(model.modified_at),
    },
    { name: '', cell: (model) => changes(model, change) },
  ]
}

/** `1.1B` and `430K` in the order of what they mean. */
function weightsOf(text) {
  const [, number, unit] = /^([\d.]+)([KMBT]?)$/.exec(text) ?? []
  return number ? Number(number) * 1000 ** ' KMBT'.indexOf(unit || ' ') : 0
}

function nameCell({ name, damaged }) {
  const label = link(name, route(['models', name]))
  if (!damaged) return label
  return [
    label,
    ' ',
    element('span', { class: 'badge bad' }, 'damaged'),
    element('p', { class: 'hint' }, damaged),
  ]
}

function changes(model, change) {
  const act = (word, carryOut, kind) =>
    button(word, () => change(() => carryOut(model)), { kind, name: `${word} ${model.name}` })
  return actions(
    act('Copy', copy, 'quiet'),
    act('Rename', rename, 'quiet'),
    act('Delete', remove, 'quiet danger'),
  )
}
