// What the store takes, whether it is whole, what could go, and how the server is set.

import { get } from '../core/api.js'
import { element, replace } from '../core/dom.js'
import { facts } from '../widgets/facts.js'
import { problem } from '../widgets/problem.js'
import { Check } from './store/check.js'
import { Prune } from './store/prune.js'
import { settings } from './store/settings.js'
import { use } from './store/use.js'

export const title = 'Store'

export async function show({ signal, content }) {
  const section = (name) => {
    const body = element('div', { class: 'stack' })
    content.append(element('section', { class: 'panel' }, element('h2', {}, name), body))
    /** Puts into the section what `make` answers; what fails fails there alone. */
    return async (make) => {
      try {
        replace(body, await make())
      } catch (error) {
        if (!signal.aborted) replace(body, problem(error))
      }
    }
  }
  const [inUse, inCheck, inPrune, inHealth, inSettings] = [
    'Use of the disk',
    'Check',
    'Prune',
    'Health',
    'Settings',
  ].map(section)
  const showUse = () => inUse(async () => use(await get('ollamake/v1/store', { signal })))
  await Promise.all([
    showUse(),
    inCheck(() => new Check(signal).node),
    inPrune(() => new Prune(signal, showUse).node),
    inHealth(async () => health(await get('healthz', { signal }))),
    inSettings(async () => settings(await get('ollamake/v1/settings', { signal }))),
  ])
}

function health({ status, store }) {
  const isWell = store === 'writable'
  return facts([
    ['Server', element('span', { class: 'badge good' }, status)],
    ['Store', element('span', { class: `badge ${isWell ? 'good' : 'bad'}` }, store)],
  ])
}
