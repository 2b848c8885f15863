// Whether the store is whole. A check changes nothing; what is damaged is taken out once a person has seen
// it.

import { send } from '../../core/api.js'
import { announce } from '../../core/announce.js'
import { element, replace } from '../../core/dom.js'
import { bytes, counted, shortDigest } from '../../core/format.js'
import { actions, button } from '../../widgets/button.js'
import { checkBox } from '../../widgets/field.js'
import { problem, warning } from '../../widgets/problem.js'

export class Check {
  #signal
  #lengths = checkBox('Only look at lengths, which is quick', false)
  #start = button('Check all files', () => this.#check(false))
  #result = element('div', { class: 'stack', role: 'status' })

  constructor(signal) {
    this.#signal = signal
    this.node = element('div', { class: 'stack' }, this.#lengths.node, this.#start, this.#result)
  }

  async #check(repair) {
    this.#start.disabled = true
    replace(this.#result, 'Checking …')
    try {
      const wish = { contents: !this.#lengths.control.checked, repair }
      const report = await send('POST', 'ollamake/v1/store/fsck', wish, { signal: this.#signal })
      replace(
        this.#result,
        checked(report, () => this.#check(true)),
      )
      announce('The check has ended')
    } catch (error) {
      if (!this.#signal.aborted) replace(this.#result, problem(error))
    }
    this.#start.disabled = false
  }
}

function checked(report, repair) {
  const { blobs, manifests, bytes: size, whole } = report
  const canRepair = report.damaged_blobs.some(({ repaired }) => !repaired)
  return [
    element(
      'p',
      {},
      `${counted(blobs, 'blob')} and ${counted(manifests, 'manifest')} looked at, ${bytes(size)}. `,
      whole ? 'The store is whole.' : 'Something is wrong.',
    ),
    found(report).map(warning),
    canRepair ? actions(button('Take damaged blobs out', repair, { kind: 'danger' })) : null,
  ]
}

function found(report) {
  return [
    ...report.damaged_blobs.map(damage),
    ...report.damaged_manifests.map(({ model, problem: reason }) => `${model}: ${reason}`),
    ...report.missing_blobs.map(({ model, digest }) => `${model} lacks blob ${shortDigest(digest)}`),
    ...report.unread.map(({ place, problem: reason }) => `${place}: ${reason}`),
    ...report.dangling.map((place) => `${place} leads nowhere`),
    ...report.foreign.map((place) => `${place} is no blob`),
  ]
}

function damage({ digest, models, repaired }) {
  const fate = repaired ? ', and was taken out' : ''
  return `Blob ${shortDigest(digest)} of ${models.join(', ') || 'no model'} is damaged${fate}`
}
