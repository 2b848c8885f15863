// What nothing needs any more: seen first, removed then.

import { send } from '../../core/api.js'
import { element, replace } from '../../core/dom.js'
import { bytes, counted, shortDigest } from '../../core/format.js'
import { actions, button } from '../../widgets/button.js'
import { openDialog } from '../../widgets/dialog.js'
import { headers, numbers } from '../../widgets/columns.js'
import { List } from '../../widgets/list.js'
import { problem, warning } from '../../widgets/problem.js'

export class Prune {
  #signal
  #changed
  #look = button('See what could go', () => this.#show())
  #result = element('div', { class: 'stack' })

  /** `changed` is called when something is gone. */
  constructor(signal, changed) {
    this.#signal = signal
    this.#changed = changed
    this.node = element('div', { class: 'stack' }, this.#look, this.#result)
  }

  #ask(isDry) {
    return send('POST', 'ollamake/v1/store/prune', { dry_run: isDry }, { signal: this.#signal })
  }

  async #show() {
    this.#look.disabled = true
    try {
      const report = await this.#ask(true)
      replace(
        this.#result,
        foreseen(report, () => this.#carryOut(report)),
      )
    } catch (error) {
      if (!this.#signal.aborted) replace(this.#result, problem(error))
    }
    this.#look.disabled = false
  }

  async #carryOut({ blobs, freed }) {
    const what = `${counted(blobs.length, 'blob')} that nothing needs go, and ${bytes(freed)} become free.`
    const isConfirmed = await openDialog({
      title: 'Prune the store?',
      content: element('p', {}, what),
      confirm: 'Prune',
      isDangerous: true,
      check: () => this.#ask(false),
    })
    if (!isConfirmed) return
    replace(this.#result, element('p', { role: 'status' }, 'Pruned.'))
    await this.#changed()
  }
}

function foreseen({ blobs, freed, left_over: leftOver, unread }, carryOut) {
  const isNothing = blobs.length === 0 && leftOver.files === 0
  const outcome = isNothing ? 'Nothing could go.' : `${bytes(freed)} would become free.`
  return [
    unread.map(({ place, problem: reason }) =>
      warning(`${place}: ${reason}. While this cannot be understood, no blob is removed.`),
    ),
    element('p', { role: 'status' }, outcome),
    blobs.length ? blobList(blobs) : null,
    isNothing ? null : actions(button('Prune …', carryOut, { kind: 'danger' })),
  ]
}

function blobList(blobs) {
  const digest = (blob) => element('code', {}, shortDigest(blob.digest))
  const list = new List({
    label: 'Blobs that would go',
    columns: [
      { ...headers('Blob', (blob) => blob.digest), cell: digest },
      numbers('Size', ({ size }) => size, bytes),
    ],
  })
  list.show(blobs)
  return list.node
}
