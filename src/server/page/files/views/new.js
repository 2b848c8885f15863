// Where a new model comes from: files of this machine or of the server's, or a model here, in a registry, or of
// the Hugging Face Hub.

import { get } from '../core/api.js'
import { amend, discard, draft, hasSource } from '../core/draft.js'
import { element, replace } from '../core/dom.js'
import { go, route } from '../core/router.js'
import { queue } from '../upload/queue.js'
import { actions, button, link } from '../widgets/button.js'
import { textField } from '../widgets/field.js'
import { besideServer } from './new/beside.js'
import { FilesPanel } from './new/files.js'
import { steps } from './new/steps.js'

export const title = 'New model'

export function show({ query, signal, content }) {
  if (query.get('from')) return take(query.get('from'))
  const begin = () => {
    queue.clear()
    discard()
    draw()
  }
  const draw = () =>
    replace(
      content,
      steps(''),
      underWay(draft(), begin),
      element('section', { class: 'panel' }, element('h2', {}, 'From files'), new FilesPanel(signal).node),
      element('section', { class: 'panel' }, element('h2', {}, 'From a model'), ...fromModel(signal)),
      besideServer(signal, take),
    )
  return draw()
}

/** Makes the new model from one that is there, or can be pulled. */
function take(from) {
  discard()
  amend({ from })
  go(route(['new', 'types']))
}

/** What was begun and not ended. */
function underWay(chosen, begin) {
  if (!hasSource(chosen) && !chosen.wanted.length) return null
  const text = hasSource(chosen)
    ? `A model from ${chosen.from || 'uploaded files'} is being made.`
    : 'Files were on their way when this page was closed.'
  return element(
    'div',
    { class: 'notice row ends' },
    element('span', {}, text),
    actions(
      hasSource(chosen) ? link('Go on', route(['new', 'types']), 'button primary') : null,
      button('Begin anew', begin),
    ),
  )
}

function fromModel(signal) {
  const names = element('datalist', { id: 'model-names' })
  const from = textField(
    'Name',
    { required: true, list: 'model-names' },
    'A model of this server, or one that is fetched first: registry.example/team/model:tag, or of the Hugging Face ' +
      'Hub hf.co/owner/repository',
  )
  // Without them the name has to be written in full.
  get('api/tags', { signal })
    .then(({ models }) => names.append(...models.map((model) => element('option', { value: model.name }))))
    .catch(() => {})
  const submit = (event) => {
    event.preventDefault()
    take(from.control.value.trim())
  }
  const use = element('button', {}, 'Use this model')
  return [element('form', { class: 'stack', on: { submit } }, from.node, names, actions(use))]
}
