// One job: how far it is, what it has said, and how it ended.

import { get, send } from '../core/api.js'
import { announce } from '../core/announce.js'
import { element, replace } from '../core/dom.js'
import { go, route } from '../core/router.js'
import { Attempts } from '../widgets/attempt.js'
import { link } from '../widgets/button.js'
import { problem } from '../widgets/problem.js'
import { Account } from './job/account.js'
import { follow } from './job/follow.js'
import { Telling } from './job/telling.js'

const REFRESH = 2000

export const title = 'Job'

export async function show({ parameters: { id }, signal, content, heading }) {
  const path = `ollamake/v1/jobs/${encodeURIComponent(id)}`
  const attempts = new Attempts(signal)
  const outcome = element('div')
  const telling = new Telling((error) => replace(outcome, problem(error)))
  const account = new Account(act)

  async function load() {
    const job = await get(path, { signal })
    heading.textContent = `${job.kind} ${job.model}`
    account.show(job)
    return job
  }

  function act(method, end, after) {
    attempts.run(async () => {
      await send(method, path + end, undefined, { signal })
      if (after) go(after)
      else if (end === '/resume') await watch()
    })
  }

  /** Shows how it goes, and at the end how it went. */
  async function watch() {
    // Between two events only the account changes; if it cannot be had, it is asked for again.
    const refreshing = setInterval(() => load().catch(() => {}), REFRESH)
    signal.addEventListener('abort', () => clearInterval(refreshing))
    await follow(path, signal, (line) => telling.tell(line)).finally(() => clearInterval(refreshing))
    const job = await load()
    announce(`${job.kind} ${job.model} ${job.state}`)
    if (job.state === 'succeeded') replace(outcome, done(job))
    else if (job.error && !outcome.hasChildNodes()) replace(outcome, problem({ message: job.error }))
  }

  content.append(outcome, attempts.node, account.node, telling.node)
  await load()
  attempts.run(watch)
}

function done({ kind, model, models = [] }) {
  const made = models.length ? models.map((product) => product.model) : [model]
  const ways = kind === 'push' ? [] : made.map((name) => link(`See ${name}`, route(['models', name])))
  return element('div', { class: 'notice row' }, element('span', {}, 'Done.'), ways)
}
