// Where a new model comes from: files of this machine, or a model here or in a registry.

import { get } from '../core/api.js'
import { amend, discard, draft, hasSource } from '../core/draft.js'
import { element } from '../core/dom.js'
import { go, route } from '../core/router.js'
import { queue } from '../upload/queue.js'
import { textField } from '../widgets/field.js'
import { FilesPanel } from './new/files.js'

export const title = 'New model'

export async function show({ query, signal, content }) {
  if (query.get('from')) {
    discard()
    amend({ from: query.get('from'), name: '' })
    return go(route(['new', 'types']))
  }
  const chosen = draft()
  const restart = () => {
    queue.clear()
    discard()
    content.replaceChildren()
    show({ query, signal, content })
  }
  content.append(
    ...[
      steps(''),
      hasSource(chosen) || chosen.wanted.length
        ? element(
            'div',
            { class: 'notice row ends' },
            element(
              'span',
              {},
              hasSource(chosen)
                ? `A model from ${chosen.from || 'uploaded files'} is being made.`
                : 'Files were on their way when this page was closed.',
            ),
            element(
              'span',
              { class: 'actions' },
              hasSource(chosen)
                ? element('a', { class: 'button primary', href: route(['new', 'types']) }, 'Go on')
                : null,
              element('button', { type: 'button', on: { click: restart } }, 'Begin anew'),
            ),
          )
        : null,
      element('section', { class: 'panel' }, element('h2', {}, 'From files'), new FilesPanel(signal).node),
      fromModel(signal),
    ].filter(Boolean),
  )
}

/** Where one stands on the way from the source to the job. */
export function steps(current) {
  const all = [
    ['', 'Source'],
    ['types', 'Types'],
    ['plan', 'Plan'],
  ]
  return element(
    'nav',
    { class: 'tabs', 'aria-label': 'Steps' },
    all.map(([key, label], index) =>
      element(
        'a',
        { href: route(['new', key].filter(Boolean)), 'aria-current': key === current ? 'step' : null },
        `${index + 1}. ${label}`,
      ),
    ),
  )
}

function fromModel(signal) {
  const names = element('datalist', { id: 'model-names' })
  const from = textField(
    'Name',
    { required: true, list: 'model-names' },
    'A model of this server, or one in a registry, which is pulled first: registry.example/team/model:tag',
  )
  get('api/tags', { signal })
    .then(({ models }) => names.append(...models.map((model) => element('option', { value: model.name }))))
    .catch(() => {})
  const submit = (event) => {
    event.preventDefault()
    discard()
    amend({ from: from.control.value.trim() })
    go(route(['new', 'types']))
  }
  return element(
    'section',
    { class: 'panel' },
    element('h2', {}, 'From a model'),
    element(
      'form',
      { class: 'stack', on: { submit } },
      from.node,
      names,
      element('div', { class: 'actions' }, element('button', {}, 'Use this model')),
    ),
  )
}
