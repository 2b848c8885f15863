// Which upload belongs to which file, for when the page is opened again and the same files are given.

const PLACE = 'ollamake.uploads'
const MOST = 4096
const END = 1 << 14

/**
 * What tells a file from others without reading all of it: its name, its length, its time, and its two ends.
 */
export async function fingerprint(file, path) {
  const ends = [file.slice(0, END), file.slice(Math.max(0, file.size - END))]
  const sums = await Promise.all(ends.map(async (part) => sum(new Uint8Array(await part.arrayBuffer()))))
  return [path, file.size, file.lastModified, ...sums].join('|')
}

/** Where the upload of a file lies. */
export function recall(mark) {
  return all()[mark] ?? null
}

/** Remembers where the upload of a file lies, or that there is none any more. */
export function remember(mark, url) {
  const known = all()
  delete known[mark]
  if (url) known[mark] = url
  const latest = Object.entries(known).slice(-MOST)
  try {
    localStorage.setItem(PLACE, JSON.stringify(Object.fromEntries(latest)))
  } catch {
    // A browser that keeps nothing uploads from the beginning next time.
  }
}

function all() {
  try {
    return JSON.parse(localStorage.getItem(PLACE)) ?? {}
  } catch {
    return {}
  }
}

/** FNV-1a, 32 bits: not to withstand anybody, only to notice that a file is another one. */
function sum(bytes) {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0).toString(16)
}
