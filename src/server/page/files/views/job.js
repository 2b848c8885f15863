// One job: how far it is, what it has said, and how it ended.

import { get, send } from '../core/api.js'
import { announce } from '../core/announce.js'
import { element, replace } from '../core/dom.js'
import { bytes, duration, integer, moment } from '../core/format.js'
import { go, route } from '../core/router.js'
import { Attempts } from '../widgets/attempt.js'
import { actions, button, link } from '../widgets/button.js'
import { facts } from '../widgets/facts.js'
import { problem } from '../widgets/problem.js'
import { hasEnded, stateBadge } from '../widgets/state.js'
import { follow } from './job/follow.js'
import { Telling } from './job/telling.js'

const REFRESH = 2000

export const title = 'Job'

export async function show({ parameters: { id }, signal, content, heading }) {
  const path = `ollamake/v1/jobs/${encodeURIComponent(id)}`
  const attempts = new Attempts(signal)
  const account = element('div')
  const outcome = element('div')
  const telling = new Telling((error) => replace(outcome, problem(error)))

  async function load() {
    const job = await get(path, { signal })
    heading.textContent = `${job.kind} ${job.model}`
    replace(account, accountOf(job, act))
    return job
  }

  const act = (method, end, after) =>
    attempts.run(async () => {
      await send(method, path + end, undefined, { signal })
      if (after) go(after)
      else await watch()
    })

  /** Shows how it goes, and at the end how it went. */
  async function watch() {
    // Between two events only the account changes; if it cannot be had, it is asked for again.
    const refreshing = setInterval(() => load().catch(() => {}), REFRESH)
    signal.addEventListener('abort', () => clearInterval(refreshing))
    await follow(path, signal, (line) => telling.tell(line))
    clearInterval(refreshing)
    const job = await load()
    announce(`${job.kind} ${job.model} ${job.state}`)
    if (job.state === 'succeeded') replace(outcome, done(job))
    else if (job.error && !outcome.hasChildNodes()) replace(outcome, problem({ message: job.error }))
  }

  content.append(outcome, attempts.node, account, telling.node)
  await load()
  attempts.run(watch)
}

function done({ kind, model, outputs = [] }) {
  const made = outputs.length ? outputs.map((output) => output.model) : [model]
  const ways = kind === 'push' ? [] : made.map((name) => link(`See ${name}`, route(['models', name])))
  return element('div', { class: 'notice row' }, element('span', {}, 'Done.'), ways)
}

function accountOf(job, act) {
  const ended = job.ended_at ? Date.parse(job.ended_at) : Date.now()
  const isOver = hasEnded(job.state)
  return element(
    'section',
    { class: 'panel' },
    element('h2', { class: 'unseen' }, 'Account'),
    element(
      'div',
      { class: 'row ends' },
      element('div', { class: 'row' }, stateBadge(job.state), element('span', {}, `stage: ${job.stage}`)),
      actions(
        isOver ? null : button('Stop', () => act('POST', '/stop'), { kind: 'danger' }),
        job.state === 'interrupted'
          ? button('Resume', () => act('POST', '/resume'), { kind: 'primary' })
          : null,
        isOver ? button('Forget', () => act('DELETE', '', route(['jobs']))) : null,
      ),
    ),
    facts([
      ['Asked for', moment(job.asked_at)],
      ['Took', job.began_at ? duration((ended - Date.parse(job.began_at)) / 1000) : null],
      ['Read', bytes(job.bytes_in)],
      ['Written', bytes(job.bytes_out)],
      ['Warnings', job.warnings ? integer(job.warnings) : null],
      ['Job', element('code', {}, job.id)],
    ]),
  )
}
