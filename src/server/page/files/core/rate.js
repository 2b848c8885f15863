// How fast something goes, from what it was at some moments lately.

const WINDOW = 8000

/** Follows a number that grows. */
export class Rate {
  #moments = []

  /** It is `value` now. */
  add(value, now = performance.now()) {
    const latest = this.#moments.at(-1)
    // What begins anew was not done at the speed of light before.
    if (latest && value < latest.value) this.#moments = []
    this.#moments.push({ value, now })
    while (this.#moments.length > 2 && now - this.#moments[0].now > WINDOW) this.#moments.shift()
  }

  /** By how much it grows in a second, or nothing if that cannot be told yet. */
  get perSecond() {
    const [first, last] = [this.#moments[0], this.#moments.at(-1)]
    if (!first || last.now - first.now < 200) return null
    return ((last.value - first.value) * 1000) / (last.now - first.now)
  }

  /** Seconds until it has grown by `rest`. */
  left(rest) {
    const speed = this.perSecond
    return speed > 0 ? rest / speed : Infinity
  }
}
