// All models, and what can be done with each.

import { get, send } from '../core/api.js'
import { announce } from '../core/announce.js'
import { element } from '../core/dom.js'
import { age, bytes, counted } from '../core/format.js'
import { keep, route } from '../core/router.js'
import { openDialog } from '../widgets/dialog.js'
import { textField } from '../widgets/field.js'
import { List } from '../widgets/list.js'
import { problem } from '../widgets/problem.js'

export const title = 'Models'

export async function show({ query, signal, content }) {
  let models = []
  const search = textField('Search', { type: 'search', value: query.get('search') ?? '' })
  const count = element('p', { class: 'muted', role: 'status' })
  const notices = element('div', { class: 'stack' })
  const list = new List({
    label: 'Models',
    columns: columns(async (act) => {
      notices.replaceChildren()
      try {
        const said = await act()
        if (!said) return
        await load()
        announce(said)
      } catch (error) {
        notices.replaceChildren(problem(error))
      }
    }),
    empty: element('span', {}, 'No models here. ', element('a', { href: route(['new']) }, 'Make one.')),
  })

  const filter = () => {
    const wanted = search.control.value.trim().toLowerCase()
    const found = models.filter((model) => matches(model, wanted))
    list.show(found)
    const total = models.reduce((sum, model) => sum + (model.own ?? 0), 0)
    count.textContent = wanted
      ? `${counted(found.length, 'model')} of ${models.length}`
      : `${counted(models.length, 'model')}, ${bytes(total)} of their own`
  }
  search.control.addEventListener('input', () => {
    filter()
    keep(route(['models'], { search: search.control.value.trim() }))
  })

  async function load() {
    // Names stand there as soon as they are known; what each takes is counted by walking through the store.
    const { models: listed } = await get('api/tags', { signal })
    models = listed
    filter()
    const { models: usage } = await get('ollamake/v1/store', { signal })
    const used = new Map(usage.map((entry) => [entry.model, entry]))
    models = listed.map((model) => ({
      ...model,
      own: used.get(model.name)?.own,
      shared: used.get(model.name)?.shared,
    }))
    filter()
  }

  content.append(element('div', { class: 'row ends' }, search.node, count), notices, list.node)
  await load()
}

function matches(model, wanted) {
  const { family, quantization_level: type, parameter_size: size } = model.details
  return [model.name, family, type, size].some((text) => text?.toLowerCase().includes(wanted))
}

function columns(act) {
  return [
    { name: 'Name', isHeader: true, cell: nameCell, order: (model) => model.name },
    { name: 'Size', isNumber: true, cell: (model) => bytes(model.size), order: (model) => model.size },
    { name: 'Family', cell: (model) => model.details.family, order: (model) => model.details.family },
    {
      name: 'Type',
      cell: (model) => model.details.quantization_level,
      order: (model) => model.details.quantization_level,
    },
    {
      name: 'Parameters',
      isNumber: true,
      cell: (model) => model.details.parameter_size,
      order: (model) => parseFloat(model.details.parameter_size) || 0,
    },
    { name: 'Own', isNumber: true, cell: (model) => bytes(model.own), order: (model) => model.own },
    { name: 'Shared', isNumber: true, cell: (model) => bytes(model.shared), order: (model) => model.shared },
    {
      name: 'Changed',
      cell: (model) => age(model.modified_at),
      order: (model) => Date.parse(model.modified_at),
    },
    { name: '', cell: (model) => actions(model, act) },
  ]
}

function nameCell(model) {
  return [
    element('a', { href: route(['models', model.name]) }, model.name),
    model.damaged
      ? [
          ' ',
          element('span', { class: 'badge bad', title: model.damaged }, 'damaged'),
          element('p', { class: 'hint' }, model.damaged),
        ]
      : null,
  ]
}

function actions(model, act) {
  const button = (word, ask, kind = '') =>
    element(
      'button',
      {
        type: 'button',
        class: `quiet ${kind}`,
        'aria-label': `${word} ${model.name}`,
        on: { click: () => act(() => ask(model)) },
      },
      word,
    )
  return element(
    'div',
    { class: 'actions' },
    button('Copy', copy),
    button('Rename', rename),
    button('Delete', remove, 'danger'),
  )
}

async function copy(model) {
  const name = await askForName(`Copy ${model.name}`, 'Copy', '', (destination) =>
    send('POST', 'api/copy', { source: model.name, destination }),
  )
  return name && `Copied ${model.name} to ${name}`
}

async function rename(model) {
  const name = await askForName(`Rename ${model.name}`, 'Rename', model.name, async (destination) => {
    if (destination === model.name) return
    await send('POST', 'api/copy', { source: model.name, destination })
    await send('DELETE', 'api/delete', { model: model.name })
  })
  return name && `Renamed ${model.name} to ${name}`
}

async function askForName(title, confirm, value, carryOut) {
  const field = textField(
    'New name',
    { value, required: true },
    'As name, name:tag or registry/namespace/name:tag',
  )
  const isConfirmed = await openDialog({
    title,
    content: field.node,
    confirm,
    check: () => carryOut(field.control.value.trim()),
  })
  return isConfirmed && field.control.value.trim()
}

async function remove(model) {
  const frees =
    model.own === undefined
      ? ''
      : ` This frees ${bytes(model.own)}; ${bytes(model.shared)} stay, which other models share.`
  const isConfirmed = await openDialog({
    title: `Delete ${model.name}?`,
    content: element('p', {}, `It cannot be brought back.${frees}`),
    confirm: 'Delete',
    isDangerous: true,
    check: () => send('DELETE', 'api/delete', { model: model.name }),
  })
  return isConfirmed && `Deleted ${model.name}`
}
