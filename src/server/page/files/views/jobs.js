// All jobs, those under way first.

import { get, send } from '../core/api.js'
import { element, replace } from '../core/dom.js'
import { age, bytes, counted, moment } from '../core/format.js'
import { keep, route } from '../core/router.js'
import { choice } from '../widgets/field.js'
import { List } from '../widgets/list.js'
import { problem } from '../widgets/problem.js'
import { hasEnded, stateBadge } from '../widgets/state.js'

const PAUSE = 2000
const STATES = ['queued', 'running', 'succeeded', 'failed', 'stopped', 'interrupted']

export const title = 'Jobs'

export async function show({ query, signal, content }) {
  const state = choice('State', [['', 'all'], ...STATES], query.get('state') ?? '')
  const notices = element('div', { class: 'stack' })
  const count = element('p', { class: 'muted', role: 'status' })
  let shown = ''

  const list = new List({
    label: 'Jobs',
    columns: [
      {
        name: 'Job',
        isHeader: true,
        cell: (job) => element('a', { href: route(['jobs', job.id]) }, `${job.kind} ${job.model}`),
        order: (job) => job.model,
      },
      { name: 'State', cell: (job) => stateBadge(job.state), order: (job) => job.state },
      { name: 'Stage', cell: (job) => job.stage, order: (job) => job.stage },
      { name: 'Read', isNumber: true, cell: (job) => bytes(job.bytes_in), order: (job) => job.bytes_in },
      { name: 'Written', isNumber: true, cell: (job) => bytes(job.bytes_out), order: (job) => job.bytes_out },
      {
        name: 'Asked for',
        cell: (job) => element('span', { title: moment(job.asked_at) }, age(job.asked_at)),
        order: (job) => Date.parse(job.asked_at),
      },
      { name: 'Warnings', isNumber: true, cell: (job) => job.warnings || '', order: (job) => job.warnings },
      { name: '', cell: (job) => action(job) },
    ],
    empty: 'No jobs.',
  })

  function action(job) {
    const [word, method, path] = hasEnded(job.state) ? ['Forget', 'DELETE', ''] : ['Stop', 'POST', '/stop']
    const act = async () => {
      replace(notices)
      try {
        await send(method, `ollamake/v1/jobs/${job.id}${path}`, undefined, { signal })
        await load()
      } catch (error) {
        if (!signal.aborted) replace(notices, problem(error))
      }
    }
    const attributes = {
      type: 'button',
      class: 'quiet',
      'aria-label': `${word} ${job.kind} ${job.model}`,
      on: { click: act },
    }
    return element('div', { class: 'actions' }, element('button', attributes, word))
  }

  async function load() {
    const wanted = state.control.value
    const { jobs } = await get(`ollamake/v1/jobs${wanted ? `?state=${wanted}` : ''}`, { signal })
    // Rows stay as they are, and so does the focus in them, unless something is new.
    const text = JSON.stringify(jobs)
    if (text === shown) return
    shown = text
    list.show(jobs.reverse().sort((a, b) => hasEnded(a.state) - hasEnded(b.state)))
    count.textContent = counted(jobs.length, 'job')
  }

  state.control.addEventListener('change', () => {
    keep(route(['jobs'], { state: state.control.value }))
    load().catch((error) => signal.aborted || replace(notices, problem(error)))
  })
  content.append(element('div', { class: 'row ends' }, state.node, count), notices, list.node)
  await load()
  const refreshing = setInterval(() => load().catch(() => {}), PAUSE)
  signal.addEventListener('abort', () => clearInterval(refreshing))
}
