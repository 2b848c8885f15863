// Sending a model to a registry, and taking it away as a file.

import { address, get, inquire, modelPath, send } from '../core/api.js'
import { element, replace } from '../core/dom.js'
import { bytes } from '../core/format.js'
import { hasKey } from '../core/key.js'
import { save } from '../core/save.js'
import { go, route } from '../core/router.js'
import { Attempts } from '../widgets/attempt.js'
import { actions, button, link } from '../widgets/button.js'
import { checkBox, textField } from '../widgets/field.js'

export const title = ({ name }) => `Publish ${name}`

export async function show({ parameters: { name }, signal, content }) {
  const downloads = element('div', { class: 'actions' })
  const attempts = new Attempts(signal)
  content.append(
    element('p', {}, link(`Back to ${name}`, route(['models', name]))),
    pushing(name, signal),
    takingAway(name, downloads, attempts),
  )
  await attempts.run(async () => {
    const { files } = await get(modelPath(name, 'tensors'), { signal })
    const shard = (index) => (files.length > 1 ? index + 1 : null)
    replace(
      downloads,
      files.map((file, index) => downloadLink(name, file, shard(index), attempts)),
    )
  })
}

function pushing(name, signal) {
  const hint = 'registry.example.com/team/model:tag; the server logs in there as its operator has set'
  const target = textField('Name in the registry', { required: true, value: name }, hint)
  const insecure = checkBox('The registry speaks HTTP without TLS', false)
  const attempts = new Attempts(signal)
  const push = async () => {
    const model = target.control.value.trim()
    if (model !== name) await send('POST', 'api/copy', { source: name, destination: model }, { signal })
    const wish = { model, insecure: insecure.control.checked, detach: true }
    const { job } = await send('POST', 'api/push', wish, { signal })
    go(route(['jobs', job]))
  }
  const submit = (event) => {
    event.preventDefault()
    attempts.run(push)
  }
  const begin = element('button', { class: 'primary' }, 'Push')
  return element(
    'section',
    { class: 'panel' },
    element('h2', {}, 'Push to a registry'),
    element(
      'form',
      { class: 'stack', on: { submit } },
      target.node,
      insecure.node,
      attempts.node,
      actions(begin),
    ),
  )
}

function takingAway(name, downloads, attempts) {
  const saveModelfile = async () => {
    const { modelfile } = await inquire('api/show', { model: name })
    save('Modelfile', modelfile)
  }
  const saveProvenance = async () => {
    const statement = await get(modelPath(name, 'provenance'))
    save('provenance.json', JSON.stringify(statement, null, 2))
  }
  const command = element('code', {}, `ollamake export ${name} FILE.gguf`)
  return element(
    'section',
    { class: 'panel' },
    element('h2', {}, 'Take it away'),
    downloads,
    actions(
      button('Save Modelfile', () => attempts.run(saveModelfile)),
      button('Save provenance', () => attempts.run(saveProvenance)),
    ),
    element(
      'p',
      { class: 'hint' },
      'Beside the server, ',
      command,
      ' takes the file without copying it if it can.',
    ),
    attempts.node,
  )
}

/** The way to a file of the model, or to one of several that it was split into. */
function downloadLink(name, file, shard, attempts) {
  const download = (event) => {
    // A browser does not show the key when it follows a link, so that has to be a link of its own.
    if (!hasKey()) return
    event.preventDefault()
    attempts.run(async () => {
      const { path } = await send('POST', modelPath(name, 'link'), shard ? { shard } : {})
      element('a', { href: address(path), download: true }).click()
    })
  }
  const href = address(modelPath(name, 'file') + (shard ? `?shard=${shard}` : ''))
  const label = `${shard ? `Download part ${shard}` : 'Download GGUF'} (${bytes(file.size)})`
  return element('a', { class: 'button', href, download: true, on: { click: download } }, label)
}
