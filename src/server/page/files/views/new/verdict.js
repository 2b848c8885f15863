// What the files that were given are, what is missing, and whether they can be sent.

import { draft } from '../../core/draft.js'
import { element } from '../../core/dom.js'
import { bytes, counted } from '../../core/format.js'
import { checkBox, textField } from '../../widgets/field.js'
import { problem, warning } from '../../widgets/problem.js'

// What the server takes in one request (OLLAMAKE_MAX_FILES) unless its operator says otherwise.
const MOST_FILES = 1024
const MOST_MISSING = 20
const MOST_PROBLEMS = 10
// Kinds that are nothing without a model.
const BELONGING = ['adapter', 'matrix']

/** Whether a file goes to the server. */
export function isNeeded({ found }) {
  return !['unneeded', 'wrong'].includes(found.kind)
}

/** The verdict, and under it the way on: `upload` is called with what the draft has to know besides. */
export function verdict({ kind, title, missing, problems }, entries, available, upload) {
  const needed = entries.filter(isNeeded)
  const size = needed.reduce((sum, { file }) => sum + file.size, 0)
  const obstacles = [lacking(missing), tooMany(needed.length), tooLarge(size, available)].filter(Boolean)
  const belonging = BELONGING.includes(kind) ? baseFields(kind) : null
  const submit = (event) => {
    event.preventDefault()
    upload(belonging?.chosen() ?? {})
  }
  const begin = element(
    'button',
    { class: 'primary', disabled: obstacles.length > 0 },
    `Upload ${bytes(size)}`,
  )
  return [
    element('p', { role: 'status' }, element('strong', {}, `${title}.`)),
    obstacles.map((message) => problem({ message })),
    problems.slice(0, MOST_PROBLEMS).map(warning),
    element(
      'form',
      { class: 'stack', on: { submit } },
      belonging?.nodes,
      element('div', { class: 'actions' }, begin),
    ),
  ]
}

/** What an adapter or a matrix is for, and what becomes of it. */
function baseFields(kind) {
  const base = textField('Model that it belongs to', { required: true, value: draft().from })
  const merge = checkBox('Merge the adapter into the weights', draft().merge)
  return {
    nodes: [base.node, kind === 'adapter' ? merge.node : null],
    chosen: () => ({ from: base.control.value.trim(), merge: merge.control.checked }),
  }
}

function lacking(missing) {
  if (!missing.length) return null
  return `Missing: ${missing.slice(0, MOST_MISSING).join(', ')}${missing.length > MOST_MISSING ? ' …' : ''}`
}

function tooMany(count) {
  return count > MOST_FILES
    ? `${counted(count, 'file')} are more than a model may have (${MOST_FILES})`
    : null
}

function tooLarge(size, available) {
  if (size <= available) return null
  return `The files take ${bytes(size)}, and the disk of the server has ${bytes(available)} left`
}
