// How the model was made, as far as that was recorded.

import { Refusal } from '../../core/api.js'
import { element } from '../../core/dom.js'
import { moment } from '../../core/format.js'
import { facts } from '../../widgets/facts.js'
import { List } from '../../widgets/list.js'

export async function provenance({ model, content }) {
  let statement
  try {
    statement = await model.look('provenance')
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 404) throw error
    content.append(element('p', {}, `Nothing is known of how ${model.name} was made: it was made elsewhere.`))
    return
  }
  const { buildDefinition: definition = {}, runDetails: details = {} } = statement.predicate ?? {}
  const sources = new List({
    label: 'Sources',
    columns: [
      { name: 'Name', isHeader: true, cell: (source) => source.name, order: (source) => source.name },
      { name: 'Digest', cell: (source) => element('code', {}, digest(source)) },
    ],
    empty: 'It was made from no files of its own.',
  })
  content.append(
    element(
      'div',
      { class: 'view' },
      element(
        'div',
        { class: 'columns' },
        part('Request', facts(Object.entries(definition.externalParameters ?? {}).map(asText))),
        part('Made by', facts(makers(definition.internalParameters ?? {}, details))),
      ),
      part('Sources', sources.node),
      element(
        'details',
        {},
        element('summary', {}, 'The whole statement'),
        element('pre', { tabindex: '0' }, JSON.stringify(statement, null, 2)),
      ),
    ),
  )
  sources.show(definition.resolvedDependencies ?? [])
}

function part(name, inside) {
  return element('section', { class: 'panel' }, element('h2', {}, name), inside)
}

function makers({ revision, recipes = [], base }, { builder = {}, metadata = {} }) {
  const versions = Object.entries(builder.version ?? {}).map(([program, version]) => `${program} ${version}`)
  return [
    ['Program', versions.join(', ') || builder.id],
    ['Finished', metadata.finishedOn && moment(metadata.finishedOn)],
    ['Revision of the recipe', revision],
    ['Files that were made', recipes.length || null],
    ['From the model', base && element('span', {}, `${base.name} `, element('code', {}, digest(base)))],
  ]
}

function digest(resource) {
  return `sha256:${resource.digest?.sha256 ?? 'unknown'}`
}

function asText([name, value]) {
  if (typeof value !== 'object' || value === null) return [name, String(value)]
  return [name, element('pre', { tabindex: '0' }, JSON.stringify(value, null, 2))]
}
