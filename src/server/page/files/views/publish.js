// Sending a model to a registry, and taking it away as a file.

import { address, get, inquire, modelPath, send } from '../core/api.js'
import { element, replace } from '../core/dom.js'
import { bytes } from '../core/format.js'
import { hasKey } from '../core/key.js'
import { save } from '../core/save.js'
import { go, route } from '../core/router.js'
import { checkBox, textField } from '../widgets/field.js'
import { problem } from '../widgets/problem.js'

export const title = ({ name }) => `Publish ${name}`

export async function show({ parameters: { name }, signal, content }) {
  content.append(
    element('p', {}, element('a', { href: route(['models', name]) }, `Back to ${name}`)),
    pushing(name, signal),
    element('section', { class: 'panel' }, element('h2', {}, 'Take it away'), await takingAway(name, signal)),
  )
}

function pushing(name, signal) {
  const target = textField(
    'Name in the registry',
    { required: true, value: name },
    'registry.example.com/team/model:tag; the server logs in there as its operator has set',
  )
  const insecure = checkBox('The registry speaks HTTP without TLS', false)
  const notices = element('div')
  const submit = async (event) => {
    event.preventDefault()
    replace(notices)
    try {
      const model = target.control.value.trim()
      if (model !== name) await send('POST', 'api/copy', { source: name, destination: model }, { signal })
      const { job } = await send(
        'POST',
        'api/push',
        { model, insecure: insecure.control.checked, detach: true },
        { signal },
      )
      go(route(['jobs', job]))
    } catch (error) {
      if (!signal.aborted) replace(notices, problem(error))
    }
  }
  return element(
    'section',
    { class: 'panel' },
    element('h2', {}, 'Push to a registry'),
    element(
      'form',
      { class: 'stack', on: { submit } },
      target.node,
      insecure.node,
      notices,
      element('div', { class: 'actions' }, element('button', { class: 'primary' }, 'Push')),
    ),
  )
}

async function takingAway(name, signal) {
  const notices = element('div')
  const guarded = (act) => async (event) => {
    replace(notices)
    try {
      await act(event)
    } catch (error) {
      if (!signal.aborted) replace(notices, problem(error))
    }
  }
  const button = (label, act) => element('button', { type: 'button', on: { click: guarded(act) } }, label)
  const saveModelfile = async () => {
    const { modelfile } = await inquire('api/show', { model: name }, { signal })
    save('Modelfile', modelfile)
  }
  const saveProvenance = async () => {
    const statement = await get(modelPath(name, 'provenance'), { signal })
    save('provenance.json', JSON.stringify(statement, null, 2))
  }
  const downloads = element('span', { class: 'actions' })
  await guarded(async () => {
    const { files } = await get(modelPath(name, 'tensors'), { signal })
    replace(
      downloads,
      files.map((file, index) => downloadLink(name, file, files.length > 1 ? index + 1 : null, guarded)),
    )
  })()
  return element(
    'div',
    { class: 'stack' },
    element(
      'div',
      { class: 'actions' },
      downloads,
      button('Save Modelfile', saveModelfile),
      button('Save provenance', saveProvenance),
    ),
    element(
      'p',
      { class: 'hint' },
      'On the machine of the server, ',
      element('code', {}, `ollamake export ${name} FILE.gguf`),
      ' takes the file out without copying it where the file system can.',
    ),
    notices,
  )
}

/** The way to a file of the model, or to one of several that it was split into. */
function downloadLink(name, file, shard, guarded) {
  const download = guarded(async (event) => {
    // A browser does not show the key when it follows a link, so that has to be one of its own.
    if (!hasKey()) return
    event.preventDefault()
    const { path } = await send('POST', modelPath(name, 'link'), shard ? { shard } : {})
    element('a', { href: address(path), download: true }).click()
  })
  const href = address(modelPath(name, 'file') + (shard ? `?shard=${shard}` : ''))
  const what = shard ? `Download part ${shard}` : 'Download GGUF'
  return element(
    'a',
    { class: 'button', href, download: true, on: { click: download } },
    `${what} (${bytes(file.size)})`,
  )
}
