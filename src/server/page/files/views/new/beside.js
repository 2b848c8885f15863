// Files beside the server: in the directories that its operator allows. There is nothing to be seen of this where
// none is allowed.

import { get } from '../../core/api.js'
import { element, replace } from '../../core/dom.js'
import { actions } from '../../widgets/button.js'
import { textField } from '../../widgets/field.js'

/** A panel in which to name a file or directory; `use` gets its address. */
export function besideServer(signal, use) {
  const panel = element('section', { class: 'panel', hidden: true })
  get('ollamake/v1/imports', { signal })
    .then(({ directories }) => {
      if (!directories.length) return
      replace(panel, element('h2', {}, 'From files beside the server'), form(directories, signal, use))
      panel.hidden = false
    })
    // A server that does not tell takes none.
    .catch(() => {})
  return panel
}

function form(directories, signal, use) {
  const known = element('datalist', { id: 'beside-server' })
  const hint = `A GGUF file, or the directory of a checkpoint, in ${directories.join(', ')}`
  const path = textField('Path', { required: true, list: known.id }, hint)
  const offer = (paths) => replace(known, paths.map((value) => element('option', { value })))
  let shown = ''
  path.control.addEventListener('input', async () => {
    const directory = path.control.value.replace(/[^/]*$/, '')
    if (directory === shown) return
    shown = directory
    const entries = await listed(directory, signal)
    // Somebody may have typed on meanwhile.
    if (directory === shown) offer(entries.length ? entries : directories)
  })
  offer(directories)
  const submit = (event) => {
    event.preventDefault()
    use(`file://${path.control.value.trim().split('/').map(encodeURIComponent).join('/')}`)
  }
  const button = element('button', {}, 'Use these files')
  return element('form', { class: 'stack', on: { submit } }, path.node, known, actions(button))
}

/** The paths in a directory; of one that is not there or not allowed none. */
async function listed(directory, signal) {
  try {
    const question = `ollamake/v1/imports/entries?directory=${encodeURIComponent(directory)}`
    const { entries } = await get(question, { signal })
    return entries.map(({ name, size }) => `${directory}${name}${size === undefined ? '/' : ''}`)
  } catch {
    return []
  }
}
