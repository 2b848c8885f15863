// The server is gone, and comes back. Whoever needs it waits here, and one question is asked for all of them.

import { element, replace } from './dom.js'

const SOONEST = 500
const LATEST = 5000

let waiting = null

/** Somebody got no answer. */
export function reportOutage() {
  waiting ??= untilAnswered()
}

/** Waits until the server answers again, or the signal says that nobody needs it any more. */
export async function whenBack(signal) {
  reportOutage()
  await Promise.race([waiting, aborted(signal)])
  signal?.throwIfAborted()
}

async function untilAnswered() {
  const banner = document.getElementById('outage')
  replace(banner, element('strong', {}, 'The server does not answer.'), ' It is asked again until it does.')
  banner.hidden = false
  for (let pause = SOONEST; ; pause = Math.min(pause * 2, LATEST)) {
    await new Promise((resolve) => setTimeout(resolve, pause))
    try {
      const response = await fetch(new URL('../healthz', document.baseURI), { cache: 'no-store' })
      if (response.ok) break
    } catch {
      // Still gone.
    }
  }
  banner.hidden = true
  waiting = null
}

function aborted(signal) {
  return new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }))
}
