// Many small things at once, but not all: each waits for the disk more than it works.

const SIZE = 64

/** What `act` makes of each item, in their order. Between two batches others get to do something. */
export async function inBatches(items, act, signal) {
  const results = []
  for (let start = 0; start < items.length; start += SIZE) {
    results.push(...(await Promise.all(items.slice(start, start + SIZE).map(act))))
    signal?.throwIfAborted()
  }
  return results
}
