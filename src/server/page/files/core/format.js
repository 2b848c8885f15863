// Numbers, sizes and times as people read them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
const COUNTS = [
  [1e12, 'T'],
  [1e9, 'B'],
  [1e6, 'M'],
  [1e3, 'K'],
]
const SPANS = [
  [86400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
]

const whole = new Intl.NumberFormat('en')

/** `1536` → `1.5 KiB`. */
export function bytes(count) {
  if (count === null || count === undefined) return '–'
  let unit = 0
  let rest = count
  while (rest >= 1024 && unit < UNITS.length - 1) {
    rest /= 1024
    unit += 1
  }
  return `${unit === 0 || rest >= 100 ? Math.round(rest) : rest.toPrecision(3)} ${UNITS[unit]}`
}

/** `4194304` → `4,194,304`. */
export function integer(count) {
  return whole.format(count)
}

/** `1100000000` → `1.1B`, as the numbers of weights are written. */
export function count(number) {
  const [unit, letter] = COUNTS.find(([least]) => number >= least) ?? [1, '']
  const short = number / unit
  return `${short >= 100 || unit === 1 ? Math.round(short) : Number(short.toPrecision(3))}${letter}`
}

/** A count with its noun: `1 file`, `3 files`. */
export function counted(number, noun) {
  return `${integer(number)} ${noun}${number === 1 ? '' : 's'}`
}

/** A time that is left or was taken. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–'
  if (seconds < 1) return 'less than 1 s'
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** How long ago something was. */
export function age(time, now = Date.now()) {
  const seconds = (now - Date.parse(time)) / 1000
  const [span, noun] = SPANS.find(([least]) => seconds >= least) ?? [1, '']
  return noun ? `${counted(Math.floor(seconds / span), noun)} ago` : 'just now'
}

/** A moment, in full. */
export function moment(time) {
  const date = new Date(time)
  return Number.isNaN(date.getTime())
    ? '–'
    : date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
}

/** A number of bits per weight. */
export function bits(number) {
  return number === null || number === undefined ? '–' : number.toFixed(2)
}

/** An error relative to the weights themselves: `0.0123` → `1.23 %`. */
export function share(number) {
  return number === null || number === undefined ? '–' : `${(number * 100).toPrecision(3)} %`
}

/** The first digits of a digest, which tell one from the others. */
export function shortDigest(digest) {
  return digest ? digest.replace(/^sha256:/, '').slice(0, 12) : '–'
}

/** The dimensions of a tensor. */
export function shape(dimensions) {
  return dimensions.join(' × ')
}

/** How many weights a tensor has. */
export function weights(dimensions) {
  return dimensions.reduce((product, size) => product * size, 1)
}
