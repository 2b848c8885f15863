// How the model was made, as far as that was recorded.

import { element } from '../../core/dom.js'
import { Refusal } from '../../core/api.js'

export async function provenance({ model, content }) {
  let statement
  try {
    statement = await model.look('provenance')
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 404) throw error
    content.append(element('p', {}, `Nothing is known of how ${model.name} was made: it was made elsewhere.`))
    return
  }
  const { subject, predicate = {} } = statement
  const { buildDefinition: definition = {}, runDetails: details } = predicate
  const whole = element('details', {}, element('summary', {}, 'The whole statement'), code(statement))
  const parts = [
    part('Request', definition.externalParameters),
    part('Sources', definition.resolvedDependencies),
    part('Made by', details),
    part('Result', subject),
  ]
  content.append(element('div', { class: 'view' }, parts, whole))
}

function part(name, value) {
  if (value === undefined) return null
  return element('section', { class: 'panel' }, element('h2', {}, name), code(value))
}

function code(value) {
  return element('pre', { tabindex: '0' }, JSON.stringify(value, null, 2))
}
