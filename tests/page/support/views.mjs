// All views of the page.

import { llama } from './gguf.mjs'

const VIEWS = [
  ['models', '#/models', 'Models'],
  ['new', '#/new', 'New model'],
  ['choose', '#/new?from=mine', 'Choose types'],
  ['plan', '#/new/plan', 'Plan'],
  ['jobs', '#/jobs', 'Jobs'],
  ['inspect', '#/models/mine', 'mine'],
  ['inspect-metadata', '#/models/mine/metadata', 'mine'],
  ['inspect-tensors', '#/models/mine/tensors', 'mine'],
  ['inspect-texts', '#/models/mine/texts', 'mine'],
  ['inspect-layers', '#/models/mine/layers', 'mine'],
  ['inspect-provenance', '#/models/mine/provenance', 'mine'],
  ['compare', '#/compare?a=mine&b=mine%3Aq4', 'Compare'],
  ['publish', '#/models/mine/publish', 'Publish mine'],
  ['store', '#/store', 'Store'],
]

/** All views, as `[name, address, heading]`. That of the plan shows what was chosen in the one before. */
export async function views(server) {
  const { jobs } = JSON.parse(await server.ask('ollamake/v1/jobs'))
  return [...VIEWS, ['job', `#/jobs/${jobs[0].id}`, /create/]]
}

/** Opens a view and waits until all that it asked for is there. */
export async function openView(opened, hash, heading) {
  await opened.go(hash)
  await opened.heading(heading)
  await opened.settled()
}

/** Models that fill the views. */
export async function fill(server) {
  const weights = llama({ layers: 8, width: 256, isNoise: true })
  await server.make('mine', weights, { system: 'Be brief.', template: '{{ .Prompt }}', license: ['MIT'] })
  await server.ask('api/create', { model: 'mine:q4', from: 'mine', quantize: 'q4_K_M', stream: false })
  await server.ask('api/create', { model: 'mine:q8', from: 'mine', quantize: 'q8_0', stream: false })
  await server.ask('api/copy', {
    source: 'mine',
    destination: 'registry.example.com/a-team-with-a-long-name/and-a-model-with-a-longer-one:v2-q4_K_M',
  })
}

// What the server refuses, a browser writes into its console: types that need an importance matrix among
// them.
export const REFUSED = ['status of 400', 'status of 404']
