// What is said to the model and about it: template, system prompt, parameters, messages, license, Modelfile.

import { element } from '../../core/dom.js'

// What Go's template language calls a field of what it is given: `.Prompt`, `.Messages`, `$last.Role`.
const FIELD = /(?:^|[\s({|$\w])\.([A-Z]\w*)/g

export async function texts({ model, content }) {
  const shown = await model.shown()
  const messages = (shown.messages ?? []).map(({ role, content: text }) => `${role}: ${text}`).join('\n')
  const sections = [
    ['Template', shown.template, variables(shown.template)],
    ['System', shown.system],
    ['Parameters', shown.parameters],
    ['Messages', messages],
    ['License', shown.license],
    ['Modelfile', shown.modelfile],
  ]
  content.append(...sections.map(([name, text, about]) => section(name, text, about)))
}

function section(name, text, about) {
  return element(
    'section',
    { class: 'panel' },
    element('h2', {}, name),
    about ?? null,
    text
      ? element('pre', { tabindex: '0', role: 'region', 'aria-label': name }, text)
      : element('p', { class: 'muted' }, 'None.'),
  )
}

function variables(template) {
  const names = new Set()
  for (const [action] of (template ?? '').matchAll(/\{\{[^]*?\}\}/g)) {
    for (const [, name] of action.matchAll(FIELD)) names.add(name)
  }
  if (names.size === 0) return null
  return element(
    'p',
    {},
    'Variables: ',
    [...names].map((name, index) => [index ? ', ' : '', element('code', {}, name)]),
  )
}
