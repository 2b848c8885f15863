// The state of a job, told by a word and a colour.

import { element } from '../core/dom.js'

const KINDS = {
  succeeded: 'good',
  running: 'good',
  failed: 'bad',
  interrupted: 'caution',
  stopped: 'caution',
}

export function stateBadge(state) {
  return element('span', { class: `badge ${KINDS[state] ?? ''}` }, state)
}

/** Whether a job in this state says and does nothing more. */
export function hasEnded(state) {
  return !['queued', 'running'].includes(state)
}
