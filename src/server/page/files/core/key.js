// The server's key: asked for when it is needed, and kept as long as this tab is open.

import { element } from './dom.js'
import { openDialog } from '../widgets/dialog.js'

const PLACE = 'ollamake.key'

let asking = null

/** The header that shows the key. */
export function authorization() {
  const key = sessionStorage.getItem(PLACE)
  return key ? { Authorization: `Bearer ${key}` } : {}
}

/** Whether the person has given a key. Browsers cannot send it with downloads, which then need links. */
export function hasKey() {
  return sessionStorage.getItem(PLACE) !== null
}

/** Asks for the key; whoever else needs it meanwhile waits for the same answer. */
export function demandKey() {
  asking ??= askForKey().finally(() => {
    asking = null
  })
  return asking
}

async function askForKey() {
  const wasWrong = hasKey()
  const field = element('input', {
    id: 'server-key',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
    'aria-describedby': 'server-key-hint',
  })
  const hint = wasWrong
    ? 'The server did not accept this key. Its operator sets it as OLLAMAKE_API_KEY.'
    : 'This server asks for a key. It is kept until this tab is closed.'
  await openDialog({
    title: 'Key of the server',
    content: [
      element('p', { id: 'server-key-hint' }, hint),
      element('label', { for: 'server-key' }, 'Key'),
      field,
    ],
    confirm: 'Use this key',
    isRequired: true,
  })
  sessionStorage.setItem(PLACE, field.value.trim())
}
