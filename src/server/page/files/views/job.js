// One job: how far it is, what it has said, and how it ended.

import { get, lines, send, Unreachable } from '../core/api.js'
import { announce } from '../core/announce.js'
import { element, replace } from '../core/dom.js'
import { bytes, duration, integer, moment } from '../core/format.js'
import { whenBack } from '../core/outage.js'
import { go, route } from '../core/router.js'
import { facts } from '../widgets/facts.js'
import { problem } from '../widgets/problem.js'
import { Progress } from '../widgets/progress.js'
import { hasEnded, stateBadge } from '../widgets/state.js'

const REFRESH = 2000

export const title = 'Job'

export async function show({ parameters: { id }, signal, content, heading }) {
  const path = `ollamake/v1/jobs/${encodeURIComponent(id)}`
  const account = element('div')
  const outcome = element('div', { class: 'stack' })
  const bars = new Map()
  const barsNode = element('div', { class: 'stack' })
  const log = element('ol', { class: 'log', tabindex: '0', 'aria-label': 'What the job said' })
  content.append(
    outcome,
    account,
    barsNode,
    element('section', { class: 'panel' }, element('h2', {}, 'Log'), log),
  )

  let job
  async function load() {
    job = await get(path, { signal })
    heading.textContent = `${job.kind} ${job.model}`
    replace(account, accountOf(job, act))
  }

  async function act(method, end, after) {
    try {
      await send(method, path + end, undefined, { signal })
      if (after) go(after)
      else await load()
    } catch (error) {
      if (!signal.aborted) replace(outcome, problem(error))
    }
  }

  function tell(line) {
    if (line.error) {
      replace(outcome, problem({ message: line.error, hint: line.hint, file: line.file }))
    } else if (line.total) {
      // Ollama's clients know bars by digest, and so do we; the stand-in for what is made goes with its
      // words.
      const key = `${line.digest} ${line.status}`
      if (!bars.has(key)) {
        bars.set(key, new Progress(line.status))
        barsNode.append(bars.get(key).node)
      }
      bars.get(key).set(line.completed ?? 0, line.total)
      return
    }
    if (line.status)
      log.append(element('li', { class: line.status.startsWith('warning: ') ? 'warned' : null }, line.status))
  }

  /** Shows how it goes, and at the end how it went. */
  async function watch() {
    const refreshing = setInterval(() => load().catch(() => {}), REFRESH)
    signal.addEventListener('abort', () => clearInterval(refreshing))
    await follow(path, signal, tell)
    clearInterval(refreshing)
    await load()
    announce(`${job.kind} ${job.model} ${job.state}`)
    if (job.error && !outcome.hasChildNodes()) replace(outcome, problem({ message: job.error }))
    if (job.state !== 'succeeded') return
    replace(
      outcome,
      element(
        'div',
        { class: 'notice row' },
        element('span', {}, 'Done. '),
        job.kind === 'push' ? null : element('a', { href: route(['models', job.model]) }, `See ${job.model}`),
      ),
    )
  }

  await load()
  watch().catch((error) => signal.aborted || replace(outcome, problem(error)))
}

/**
 * Follows what a job says to its end. What was said is kept, so a lost connection only means to ask for the
 * rest.
 */
async function follow(path, signal, tell) {
  for (let next = 0; ;) {
    try {
      for await (const line of lines(`${path}/events?from=${next}`, { signal })) {
        tell(line)
        // The line that ends it has no number.
        if (line.number === undefined) return
        next = line.number + 1
      }
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error
    }
    // A server that stops ends its answers, too.
    await whenBack(signal)
    const { state } = await get(path, { signal })
    if (hasEnded(state) && state !== 'succeeded') return
  }
}

function accountOf(job, act) {
  const began = Date.parse(job.began_at)
  const ended = job.ended_at ? Date.parse(job.ended_at) : Date.now()
  const button = (word, kind, method, end, after) =>
    element('button', { type: 'button', class: kind, on: { click: () => act(method, end, after) } }, word)
  return element(
    'section',
    { class: 'panel' },
    element('h2', { class: 'unseen' }, 'Account'),
    element(
      'div',
      { class: 'row ends' },
      element(
        'div',
        { class: 'row' },
        stateBadge(job.state),
        element('span', { class: 'muted' }, `stage: ${job.stage}`),
      ),
      element(
        'div',
        { class: 'actions' },
        hasEnded(job.state) ? null : button('Stop', 'danger', 'POST', '/stop'),
        job.state === 'interrupted' ? button('Resume', 'primary', 'POST', '/resume') : null,
        hasEnded(job.state) ? button('Forget', '', 'DELETE', '', route(['jobs'])) : null,
      ),
    ),
    facts([
      ['Asked for', moment(job.asked_at)],
      ['Took', Number.isNaN(began) ? null : duration((ended - began) / 1000)],
      ['Read', bytes(job.bytes_in)],
      ['Written', bytes(job.bytes_out)],
      ['Warnings', job.warnings ? integer(job.warnings) : null],
      ['Job', element('code', {}, job.id)],
    ]),
  )
}
