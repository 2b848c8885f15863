// What each type would come to, asked one after the other: the table fills while the answers come, and one
// type that cannot be made does not hide the others.

import { Refusal } from '../../core/api.js'
import { draft, dryRunOf, recipe } from '../../core/draft.js'
import { askForOutline } from '../plan/ask.js'

/**
 * `all` are `{ name, bits, needsMatrix, size, memory, error, refusal, isMeasuring }`; the event `change`
 * tells that something is new.
 */
export class Candidates extends EventTarget {
  all
  pulls = null
  /** The tokens of the conversation that the memory is told for. */
  context = null
  #signal
  #asking = new AbortController()

  constructor(types, signal) {
    super()
    this.#signal = signal
    const hasMatrix = Boolean(draft().matrix)
    this.all = types.map((type) => ({
      name: type.name,
      bits: type.bits_per_weight,
      needsMatrix: type.needs_importance && !hasMatrix,
      size: null,
      memory: null,
      error: null,
      refusal: '',
    }))
  }

  stop() {
    this.#asking.abort()
  }

  /** Asks for all sizes. */
  async size() {
    await this.#each(
      this.all.filter(({ needsMatrix }) => !needsMatrix),
      recipe(draft()),
    )
  }

  /** Asks for the errors of those types, or of all. */
  async measure(names) {
    const wanted = this.all.filter(
      ({ name, needsMatrix, refusal }) => !needsMatrix && !refusal && (!names.length || names.includes(name)),
    )
    await this.#each(wanted, { ...recipe(draft()), quality: true })
  }

  async #each(candidates, wished) {
    this.stop()
    this.#asking = new AbortController()
    const signal = AbortSignal.any([this.#signal, this.#asking.signal])
    for (const candidate of candidates) {
      candidate.isMeasuring = Boolean(wished.quality)
      if (candidate.isMeasuring) this.dispatchEvent(new Event('change'))
      try {
        await this.#ask(candidate, wished, signal)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof Refusal)) throw error
        candidate.refusal = error.message
      }
      candidate.isMeasuring = false
      this.dispatchEvent(new Event('change'))
      if (this.pulls) return
    }
  }

  async #ask(candidate, wished, signal) {
    const body = dryRunOf(draft(), candidate.name, wished)
    const outline = await askForOutline({ ...body, context: this.context ?? undefined }, signal)
    const [output] = outline.outputs
    candidate.refusal = ''
    candidate.size = output.size ?? null
    candidate.memory = output.memory?.total ?? null
    candidate.bits = output.bits_per_weight ?? candidate.bits
    if (typeof output.error === 'number') candidate.error = output.error
    this.pulls = outline.pulls ?? null
  }
}
