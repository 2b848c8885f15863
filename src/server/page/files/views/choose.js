// What a model shall be quantized to: the size of each type, what fits, and the error if that is asked for.

import { get } from '../core/api.js'
import { amend, draft, hasSource } from '../core/draft.js'
import { element, replace } from '../core/dom.js'
import { counted } from '../core/format.js'
import { route } from '../core/router.js'
import { textField } from '../widgets/field.js'
import { steps } from './new.js'
import { Candidates } from './choose/candidates.js'
import { errorAgainstSize, memoryOf, typeTable } from './choose/figures.js'
import { RecipeEditor } from './choose/recipe.js'

const GIB = 2 ** 30

export const title = 'Choose types'

export async function show({ signal, content }) {
  const chosen = draft()
  content.append(steps('types'))
  if (!hasSource(chosen)) {
    content.append(
      element(
        'p',
        {},
        'First say what the model is to be made from. ',
        element('a', { href: route(['new']) }, 'Choose a source.'),
      ),
    )
    return
  }
  const { types } = await get('ollamake/v1/types', { signal })
  const candidates = new Candidates(types, signal)
  const memory = textField('Memory that it shall fit into, in GiB', {
    type: 'number',
    min: '0',
    step: 'any',
    inputmode: 'decimal',
  })
  const context = textField('With a context of so many tokens', {
    type: 'number',
    min: '1',
    step: '1',
    inputmode: 'numeric',
    placeholder: '4096',
  })
  const status = element('p', { class: 'muted', role: 'status' })
  const plot = element('div')
  const table = typeTable({
    isChosen: (candidate) => draft().types.includes(candidate.name),
    toggle: (candidate, isChosen) => {
      const others = draft().types.filter((name) => name !== candidate.name)
      amend({ types: isChosen ? [...others, candidate.name] : others })
      draw()
    },
  })
  const measure = element('button', { type: 'button' }, 'Measure the errors')
  const editor = new RecipeEditor(draft().recipe, (recipe) => {
    amend({ recipe })
    candidates.size()
  })

  function limit() {
    const gib = Number(memory.control.value)
    return gib > 0 ? gib * GIB : null
  }

  function draw() {
    const chosenNames = draft().types
    table.show(candidates.all, limit())
    replace(plot, errorAgainstSize(candidates.all, chosenNames, limit()))
    editor.total(candidates.all.filter(({ name }) => chosenNames.includes(name)))
    const fitting = candidates.all.filter(
      (candidate) => memoryOf(candidate) <= limit() && candidate.size !== null,
    )
    status.textContent = [
      candidates.pulls ? `Sizes are known when ${candidates.pulls} is pulled.` : '',
      chosenNames.length
        ? `${counted(chosenNames.length, 'type')} chosen.`
        : 'No type chosen: weights stay as they are.',
      limit() === null ? '' : `${counted(fitting.length, 'type')} fit.`,
    ].join(' ')
  }

  memory.control.addEventListener('input', draw)
  context.control.addEventListener('change', () => {
    candidates.context = Math.max(1, Math.round(Number(context.control.value))) || null
    candidates.size()
  })
  measure.addEventListener('click', async () => {
    measure.disabled = true
    await candidates.measure(draft().types)
    measure.disabled = false
  })
  candidates.addEventListener('change', draw)
  signal.addEventListener('abort', () => candidates.stop())
  content.append(
    element(
      'p',
      {},
      'Source: ',
      element('strong', {}, chosen.from || counted(Object.keys(chosen.files).length, 'uploaded file')),
      chosen.matrix ? ', with an importance matrix' : '',
    ),
    element(
      'div',
      { class: 'row ends' },
      element('div', { class: 'row' }, memory.node, context.node),
      element(
        'div',
        { class: 'actions' },
        measure,
        element('a', { class: 'button primary', href: route(['new', 'plan']) }, 'See the plan'),
      ),
    ),
    element(
      'p',
      { class: 'hint' },
      'Measuring reads all weights. With types chosen it measures those, otherwise all.',
    ),
    status,
    plot,
    table.node,
    element('section', { class: 'panel' }, element('h2', {}, 'Recipe'), editor.node),
  )
  draw()
  await candidates.size()
}
