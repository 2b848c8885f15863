// Sending a model to a registry, and taking it away as a file.

import { address, get, modelPath, send } from '../core/api.js'
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
  let files = []
  try {
    ;({ files } = await get(modelPath(name, 'tensors'), { signal }))
  } catch (error) {
    replace(notices, problem(error))
  }
  const shards = files.map((file, index) => {
    const shard = files.length > 1 ? index + 1 : null
    const query = shard ? `?shard=${shard}` : ''
    const label =
      files.length > 1
        ? `Download part ${index + 1} (${bytes(file.size)})`
        : `Download GGUF (${bytes(file.size)})`
    return element(
      'a',
      {
        class: 'button',
        href: address(modelPath(name, 'file') + query),
        download: true,
        on: { click: (event) => download(event, shard) },
      },
      label,
    )
  })

  async function download(event, shard) {
    // A browser does not show the key when it follows a link.
    if (!hasKey()) return
    event.preventDefault()
    try {
      const { path } = await send('POST', modelPath(name, 'link'), shard ? { shard } : {}, { signal })
      element('a', { href: address(path), download: true }).click()
    } catch (error) {
      if (!signal.aborted) replace(notices, problem(error))
    }
  }

  const guarded = (act) => async () => {
    try {
      await act()
    } catch (error) {
      if (!signal.aborted) replace(notices, problem(error))
    }
  }
  const modelfile = guarded(async () => {
    const { modelfile: text } = await send('POST', 'api/show', { model: name }, { signal })
    save('Modelfile', text)
  })
  const provenance = guarded(async () =>
    save('provenance.json', JSON.stringify(await get(modelPath(name, 'provenance'), { signal }), null, 2)),
  )
  return element(
    'div',
    { class: 'stack' },
    element(
      'div',
      { class: 'actions' },
      shards,
      element('button', { type: 'button', on: { click: modelfile } }, 'Save Modelfile'),
      element('button', { type: 'button', on: { click: provenance } }, 'Save provenance'),
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
