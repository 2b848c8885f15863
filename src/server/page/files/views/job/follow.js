// Following what a job says to its end, whatever happens to the connection.

import { get, lines, Unreachable } from '../../core/api.js'
import { whenBack } from '../../core/outage.js'
import { hasEnded } from '../../widgets/state.js'

/**
 * Calls `tell` with each line. All that was said is kept by the server, so after a break the rest is asked
 * for.
 */
export async function follow(path, signal, tell) {
  let next = 0
  for (;;) {
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
    await whenBack(signal)
    const { state, events } = await get(path, { signal })
    if (hasEnded(state)) return
    // A job that was begun anew by a server that has forgotten what was said begins to count anew, too.
    if (events < next) next = 0
  }
}
