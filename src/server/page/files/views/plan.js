// The dry run: what would be made, from what, and what decided about each tensor. Nothing is written yet.

import { send } from '../core/api.js'
import { amend, discard, draft, hasSource, outputs, recipe, request, source } from '../core/draft.js'
import { element, replace } from '../core/dom.js'
import { go, route } from '../core/router.js'
import { textArea, textField } from '../widgets/field.js'
import { problem } from '../widgets/problem.js'
import { lastLine } from './choose/candidates.js'
import { steps } from './new.js'
import { outlineOf } from './plan/outline.js'

export const title = 'Plan'

export async function show({ signal, content }) {
  content.append(steps('plan'))
  if (!hasSource(draft())) {
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
  const notices = element('div')
  const plan = element('div', { class: 'view' })
  const start = element('button', { class: 'primary', disabled: true }, 'Make it')
  let asking = new AbortController()

  async function load() {
    asking.abort()
    asking = new AbortController()
    const current = AbortSignal.any([signal, asking.signal])
    start.disabled = true
    const status = element('p', { role: 'status' }, 'Planning …')
    replace(plan, status)
    try {
      const heard = (line) => {
        if (line.total)
          status.textContent = `${line.status}: ${Math.round(((line.completed ?? 0) * 100) / line.total)} %`
      }
      const outline = await lastLine(dryRun(draft()), current, heard)
      if (outline.error) throw Object.assign(new Error(outline.error), outline)
      replace(plan, outlineOf(outline, outputs(draft())))
      start.disabled = draft().name === ''
    } catch (error) {
      if (!current.aborted) replace(plan, problem(error))
    }
  }

  const submit = async (event) => {
    event.preventDefault()
    start.disabled = true
    replace(notices)
    try {
      const { job } = await send('POST', 'api/create', { ...request(draft()), detach: true }, { signal })
      discard()
      go(route(['jobs', job]))
    } catch (error) {
      if (!signal.aborted) replace(notices, problem(error))
      start.disabled = false
    }
  }

  content.append(
    element(
      'form',
      { class: 'panel', on: { submit } },
      words(load),
      notices,
      element('div', { class: 'actions' }, start),
    ),
    plan,
  )
  await load()
}

/** The fields of what is not weights. */
function words(changed) {
  const tied = (field, { control, node }) => {
    control.addEventListener('change', () => {
      amend({ [field]: control.value.trim() })
      changed()
    })
    return node
  }
  const { name, types, template, system, license, parameters } = draft()
  const hint = types.length > 1 ? 'Each type gets a tag of its own after this name' : ''
  return [
    tied('name', textField('Name of the model', { value: name, required: true }, hint)),
    element(
      'details',
      {},
      element('summary', {}, 'Template, system prompt, parameters, license'),
      element(
        'div',
        { class: 'columns' },
        tied(
          'template',
          textArea('Template', {}, template, 'Left empty, the format of the chat is recognised'),
        ),
        tied('system', textArea('System', {}, system)),
        tied(
          'parameters',
          textArea('Parameters', { placeholder: 'temperature 0.5' }, parameters, 'One a line'),
        ),
        tied('license', textArea('License', {}, license)),
      ),
    ),
  ]
}

/** The request of a dry run, in which several types are a list. */
function dryRun(chosen) {
  const { name, types } = chosen
  const wished = Object.keys(recipe(chosen)).length && types.length ? { recipe: recipe(chosen) } : {}
  const quantize = types.length > 1 ? types : types[0]
  return {
    model: name || 'plan',
    ...source(chosen),
    ...(quantize ? { quantize } : {}),
    ...wished,
    dry_run: true,
  }
}
