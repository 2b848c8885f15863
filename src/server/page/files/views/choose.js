// What a model shall be quantized to: the size of each type, what fits, and the error if that is asked for.

import { get } from '../core/api.js'
import { amend, draft } from '../core/draft.js'
import { element, replace } from '../core/dom.js'
import { counted } from '../core/format.js'
import { route } from '../core/router.js'
import { actions, button, link } from '../widgets/button.js'
import { numberField } from '../widgets/field.js'
import { begun } from './new/steps.js'
import { Candidates } from './choose/candidates.js'
import { errorAgainstSize, memoryOf, typeTable } from './choose/figures.js'
import { RecipeEditor } from './choose/recipe.js'

const GIB = 2 ** 30
const USUAL_CONTEXT = '4096'

export const title = 'Choose types'

export async function show({ signal, content }) {
  if (!begun(draft(), 'types', content)) return
  const { types } = await get('ollamake/v1/types', { signal })
  const candidates = new Candidates(types, signal)
  const memory = numberField('Memory that it shall fit into, in GiB')
  const context = numberField('With a context of so many tokens', {
    min: '1',
    step: '1',
    placeholder: USUAL_CONTEXT,
  })
  const status = element('p', { class: 'muted', role: 'status' })
  const plot = element('div')
  const table = typeTable({ isChosen, toggle })
  const editor = new RecipeEditor(draft().recipe, signal, (recipe) => {
    amend({ recipe })
    candidates.size()
  })
  const measure = button('Measure the errors', async () => {
    measure.disabled = true
    await candidates.measure(draft().types)
    measure.disabled = false
  })

  function isChosen({ name }) {
    return draft().types.includes(name)
  }

  function toggle({ name }, isWanted) {
    const others = draft().types.filter((other) => other !== name)
    amend({ types: isWanted ? [...others, name] : others })
    draw()
  }

  function draw() {
    const limit = memory.control.valueAsNumber > 0 ? memory.control.valueAsNumber * GIB : null
    table.show(candidates.all, limit)
    replace(plot, errorAgainstSize(candidates.all, isChosen, limit))
    editor.total(candidates.all.filter(isChosen))
    status.textContent = summary(candidates, draft().types.length, limit)
  }

  memory.control.addEventListener('input', draw)
  context.control.addEventListener('change', () => {
    candidates.context = context.control.value ? Math.max(1, Math.round(context.control.valueAsNumber)) : null
    candidates.size()
  })
  candidates.addEventListener('change', draw)
  content.append(
    sourceOf(draft()),
    element(
      'div',
      { class: 'row ends' },
      element('div', { class: 'row' }, memory.node, context.node),
      actions(measure, link('See the plan', route(['new', 'plan']), 'button primary')),
    ),
    element(
      'p',
      { class: 'hint' },
      'Measuring reads all weights: those types that are chosen, otherwise all.',
    ),
    status,
    plot,
    table.node,
    element('section', { class: 'panel' }, element('h2', {}, 'Recipe'), editor.node),
  )
  draw()
  await candidates.size()
}

function sourceOf({ from, files, adapters, matrix }) {
  const names = Object.keys({ ...files, ...adapters })
  const uploaded = names.length ? counted(names.length, 'uploaded file') : ''
  const whole = [from, uploaded, matrix ? 'an importance matrix' : ''].filter(Boolean).join(', ')
  return element('p', {}, 'Source: ', element('strong', {}, whole))
}

function summary({ all, pulls }, count, limit) {
  const fitting = all.filter((candidate) => candidate.size !== null && memoryOf(candidate) <= limit)
  return [
    pulls ? `Sizes are known when ${pulls} is pulled.` : '',
    count ? `${counted(count, 'type')} chosen.` : 'No type chosen: weights stay as they are.',
    limit === null ? '' : `${counted(fitting.length, 'type')} fit.`,
  ].join(' ')
}
