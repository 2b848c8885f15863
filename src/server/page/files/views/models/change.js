// Copying, renaming and deleting a model. Each asks first, and answers what was done, or nothing.

import { send } from '../../core/api.js'
import { element } from '../../core/dom.js'
import { bytes } from '../../core/format.js'
import { openDialog } from '../../widgets/dialog.js'
import { textField } from '../../widgets/field.js'

export async function copy({ name }) {
  const carryOut = (destination) => send('POST', 'api/copy', { source: name, destination })
  const copied = await askForName(`Copy ${name}`, 'Copy', '', carryOut)
  return copied && `Copied ${name} to ${copied}`
}

export async function rename({ name }) {
  const renamed = await askForName(`Rename ${name}`, 'Rename', name, async (destination) => {
    if (destination === name) throw new Error('this is its name already')
    await send('POST', 'api/copy', { source: name, destination })
    await send('DELETE', 'api/delete', { model: name })
  })
  return renamed && `Renamed ${name} to ${renamed}`
}

export async function remove({ name, own, shared }) {
  const frees = `This frees ${bytes(own)}; ${bytes(shared)} stay, which other models share.`
  const isConfirmed = await openDialog({
    title: `Delete ${name}?`,
    content: element('p', {}, 'It cannot be brought back. ', own === undefined ? '' : frees),
    confirm: 'Delete',
    isDangerous: true,
    check: () => send('DELETE', 'api/delete', { model: name }),
  })
  return isConfirmed && `Deleted ${name}`
}

async function askForName(title, confirm, value, carryOut) {
  const hint = 'As name, name:tag or registry/namespace/name:tag'
  const { control, node } = textField('New name', { value, required: true }, hint)
  const check = () => carryOut(control.value.trim())
  const isConfirmed = await openDialog({ title, content: node, confirm, check })
  return isConfirmed && control.value.trim()
}
