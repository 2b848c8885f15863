// The dry run: what would be made, from what, and what decided about each tensor. Nothing is written yet.

import { send } from '../core/api.js'
import { discard, draft, dryRun, outputs, request } from '../core/draft.js'
import { element, replace } from '../core/dom.js'
import { go, route } from '../core/router.js'
import { Attempts } from '../widgets/attempt.js'
import { actions } from '../widgets/button.js'
import { problem } from '../widgets/problem.js'
import { begun } from './new/steps.js'
import { askForOutline } from './plan/ask.js'
import { outlineOf } from './plan/outline.js'
import { words } from './plan/words.js'

export const title = 'Plan'

export async function show({ signal, content }) {
  if (!begun(draft(), 'plan', content)) return
  const attempts = new Attempts(signal)
  const plan = element('div', { class: 'view' })
  const start = element('button', { class: 'primary', disabled: true }, 'Make it')
  let asking = new AbortController()

  async function load() {
    asking.abort()
    asking = new AbortController()
    const current = AbortSignal.any([signal, asking.signal])
    const status = element('p', { role: 'status' }, 'Planning …')
    start.disabled = true
    replace(plan, status)
    try {
      const measured = (share) => replace(status, `Measuring: ${Math.round(share * 100)} %`)
      const outline = await askForOutline(dryRun(draft()), current, measured)
      replace(plan, outlineOf(outline, outputs(draft())))
      start.disabled = draft().name === ''
    } catch (error) {
      if (!current.aborted) replace(plan, problem(error))
    }
  }

  const make = async () => {
    const { job } = await send('POST', 'api/create', { ...request(draft()), detach: true }, { signal })
    discard()
    go(route(['jobs', job]))
  }
  const submit = async (event) => {
    event.preventDefault()
    start.disabled = true
    await attempts.run(make)
    start.disabled = false
  }
  const form = element('form', { class: 'panel', on: { submit } }, words(load), attempts.node, actions(start))
  content.append(form, plan)
  await load()
}
