// Asking for a plan.

import { lines, Refusal, Unreachable } from '../../core/api.js'
import { whenBack } from '../../core/outage.js'

/**
 * The outline of a dry run. One that has to measure weights is told as jobs are: by lines, of which the last
 * is the outline; `measured` is called with how much of it is done. While the server is gone, this waits for
 * it.
 */
export async function askForOutline(body, signal, measured = () => {}) {
  for (;;) {
    try {
      let last = null
      for await (const line of lines('api/create', { method: 'POST', body, signal })) {
        if (line.total) measured((line.completed ?? 0) / line.total)
        last = line
      }
      if (last?.error) throw new Refusal(400, last)
      return last
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error
      await whenBack(signal)
    }
  }
}
