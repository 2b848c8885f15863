// All jobs, those under way first.

import { get, send } from '../core/api.js'
import { element } from '../core/dom.js'
import { age, bytes, counted, moment } from '../core/format.js'
import { keep, route } from '../core/router.js'
import { Attempts } from '../widgets/attempt.js'
import { actions, button, link } from '../widgets/button.js'
import { choice } from '../widgets/field.js'
import { headers, numbers, texts } from '../widgets/columns.js'
import { List } from '../widgets/list.js'
import { hasEnded, stateBadge } from '../widgets/state.js'

const PAUSE = 2000
const STATES = ['queued', 'running', 'succeeded', 'failed', 'stopped', 'interrupted']

export const title = 'Jobs'

export async function show({ query, signal, content }) {
  const state = choice('State', [['', 'all'], ...STATES], query.get('state') ?? '')
  const attempts = new Attempts(signal)
  const count = element('p', { class: 'muted', role: 'status' })
  let shown = ''

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

  const end = (job) => {
    const [word, method, path] = hasEnded(job.state) ? ['Forget', 'DELETE', ''] : ['Stop', 'POST', '/stop']
    const act = async () => {
      await send(method, `ollamake/v1/jobs/${job.id}${path}`, undefined, { signal })
      await load()
    }
    return actions(
      button(word, () => attempts.run(act), { kind: 'quiet', name: `${word} ${job.kind} ${job.model}` }),
    )
  }
  const list = new List({ label: 'Jobs', columns: columns(end), empty: 'No jobs.' })

  state.control.addEventListener('change', () => {
    keep(route(['jobs'], { state: state.control.value }))
    attempts.run(load)
  })
  content.append(element('div', { class: 'row ends' }, state.node, count), attempts.node, list.node)
  await load()
  // What fails once is asked for again.
  const refreshing = setInterval(() => load().catch(() => {}), PAUSE)
  signal.addEventListener('abort', () => clearInterval(refreshing))
}

function columns(end) {
  const asked = (job) => element('span', { title: moment(job.asked_at) }, age(job.asked_at))
  const name = (job) => link(`${job.kind} ${job.model}`, route(['jobs', job.id]))
  return [
    { ...headers('Job', ({ model }) => model), cell: name },
    { ...texts('State', ({ state }) => state), cell: ({ state }) => stateBadge(state) },
    texts('Stage', ({ stage }) => stage),
    numbers('Read', (job) => job.bytes_in, bytes),
    numbers('Written', (job) => job.bytes_out, bytes),
    { name: 'Asked for', cell: asked, order: (job) => Date.parse(job.asked_at) },
    numbers(
      'Warnings',
      ({ warnings }) => warnings,
      (count) => count || '',
    ),
    { name: '', cell: end },
  ]
}
