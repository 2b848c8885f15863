// How a job stands: its state with what can be done about it, its figures, and what was asked for.
//
// It is shown again and again while the job runs; what can have the focus changes only with the state.

import { element, replace } from '../../core/dom.js'
import { bytes, duration, integer, moment } from '../../core/format.js'
import { route } from '../../core/router.js'
import { actions, button } from '../../widgets/button.js'
import { facts } from '../../widgets/facts.js'
import { hasEnded, stateBadge } from '../../widgets/state.js'

export class Account {
  #act
  #state = null
  #standing = element('div', { class: 'row' })
  #ways = element('div')
  #figures = element('div')
  #request = element('div')

  /** `act` is called with the method and the end of the path of what is to be done, and where to go then. */
  constructor(act) {
    this.#act = act
    this.node = element(
      'section',
      { class: 'panel' },
      element('h2', { class: 'unseen' }, 'Account'),
      element('div', { class: 'row ends' }, this.#standing, this.#ways),
      this.#figures,
      this.#request,
    )
  }

  show(job) {
    replace(this.#standing, stateBadge(job.state), element('span', {}, `stage: ${job.stage}`))
    replace(this.#figures, figures(job))
    if (job.state !== this.#state) replace(this.#ways, ways(job.state, this.#act))
    if (this.#state === null && job.request) replace(this.#request, requested(job.request))
    this.#state = job.state
  }
}

function ways(state, act) {
  if (!hasEnded(state)) return actions(button('Stop', () => act('POST', '/stop'), { kind: 'danger' }))
  const resume = button('Resume', () => act('POST', '/resume'), { kind: 'primary' })
  const forget = button('Forget', () => act('DELETE', '', route(['jobs'])))
  return actions(state === 'interrupted' ? resume : null, forget)
}

function figures(job) {
  const ended = job.ended_at ? Date.parse(job.ended_at) : Date.now()
  return facts([
    ['Asked for', moment(job.asked_at)],
    ['Took', job.began_at ? duration((ended - Date.parse(job.began_at)) / 1000) : null],
    ['Read', bytes(job.bytes_in)],
    ['Written', bytes(job.bytes_out)],
    ['Warnings', job.warnings ? integer(job.warnings) : null],
    ['Job', element('code', {}, job.id)],
  ])
}

function requested(request) {
  const text = element('pre', { tabindex: '0' }, JSON.stringify(request, null, 2))
  return element('details', {}, element('summary', {}, 'What was asked for'), text)
}
