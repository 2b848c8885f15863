// All models, and what can be done with each.

import { get } from '../core/api.js'
import { announce } from '../core/announce.js'
import { element } from '../core/dom.js'
import { age, bytes, counted } from '../core/format.js'
import { keep, route } from '../core/router.js'
import { Attempts } from '../widgets/attempt.js'
import { actions, button, link } from '../widgets/button.js'
import { checkBox, textField } from '../widgets/field.js'
import { headers, numbers, texts } from '../widgets/columns.js'
import { List } from '../widgets/list.js'
import { copy, remove, rename } from './models/change.js'

export const title = 'Models'

export async function show({ query, signal, content }) {
  let models = []
  const attempts = new Attempts(signal)
  const search = textField('Search', { type: 'search', value: query.get('search') ?? '' })
  const library = checkBox('With those of the library', false)
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
    ;({ models } = await get(library.control.checked ? 'api/tags?library=true' : 'api/tags', { signal }))
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
  library.control.addEventListener('change', () => attempts.run(load))
  library.node.hidden = true
  // Without settings there is nothing to choose.
  hasLibrary(signal)
    .then((has) => {
      library.node.hidden = !has
    })
    .catch(() => {})
  const above = element('div', { class: 'row ends' }, search.node, library.node, count)
  content.append(above, attempts.node, list.node)
  await load()
}

async function hasLibrary(signal) {
  const { settings } = await get('ollamake/v1/settings', { signal })
  return settings.some(({ name, value }) => name === 'OLLAMAKE_LIBRARY' && value)
}

function matches({ name, details }, wanted) {
  const { family, quantization_level: type, parameter_size: size } = details
  return [name, family, type, size].some((text) => text?.toLowerCase().includes(wanted))
}

function columns(change) {
  const parameters = ({ details }) => details.parameter_size
  const changed = ({ modified_at: time }) => Date.parse(time)
  return [
    { ...headers('Name', ({ name }) => name), cell: nameCell },
    numbers('Size', ({ size }) => size, bytes),
    texts('Family', ({ details }) => details.family),
    texts('Type', ({ details }) => details.quantization_level),
    { ...numbers('Parameters', (model) => weightsOf(parameters(model))), cell: parameters },
    numbers('Own', ({ own }) => own, bytes),
    numbers('Shared', ({ shared }) => shared, bytes),
    { name: 'Changed', cell: changedCell, order: changed },
    { name: '', cell: (model) => changes(model, change) },
  ]
}

/** `1.1B` and `430K` in the order of what they mean. */
function weightsOf(text) {
  const [, number, unit] = /^([\d.]+)([KMBT]?)$/.exec(text) ?? []
  return number ? Number(number) * 1000 ** ' KMBT'.indexOf(unit || ' ') : 0
}

/** What the library has under the name of a model. */
const SHELVED = {
  same: 'in the library',
  other: 'the library has another model of this name',
  only: 'in the library only',
}

function nameCell({ name, damaged, library }) {
  if (library === 'only') return [name, ' ', element('span', { class: 'badge' }, SHELVED.only)]
  const label = link(name, route(['models', name]))
  if (!damaged && library) return [label, ' ', element('span', { class: 'badge' }, SHELVED[library])]
  if (!damaged) return label
  return [
    label,
    ' ',
    element('span', { class: 'badge bad' }, 'damaged'),
    element('p', { class: 'hint' }, damaged),
  ]
}

/** Registries do not tell when a model was made. */
function changedCell({ modified_at: time, library }) {
  return library === 'only' ? '–' : age(time)
}

function changes(model, change) {
  if (model.library === 'only') return ''
  const act = (word, carryOut, kind) =>
    button(word, () => change(() => carryOut(model)), { kind, name: `${word} ${model.name}` })
  return actions(
    act('Copy', copy, 'quiet'),
    act('Rename', rename, 'quiet'),
    act('Delete', remove, 'quiet danger'),
  )
}
