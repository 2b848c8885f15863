// A question that has to be answered before anything else goes on.

import { element } from '../core/dom.js'

let number = 0

/**
 * Asks. Answers whether it was confirmed; one that is required can only be. `check`, if there is one, is
 * awaited on confirming: what it throws is shown, and the dialog stays open.
 */
export function openDialog({ title, content, confirm, isDangerous = false, isRequired = false, check }) {
  number += 1
  const titleId = `dialog-title-${number}`
  const complaint = element('p', { class: 'complaint', role: 'alert', hidden: true })
  const accept = element('button', { type: 'submit', class: isDangerous ? 'danger' : 'primary' }, confirm)
  const form = element(
    'form',
    { method: 'dialog' },
    element('h2', { id: titleId }, title),
    content,
    complaint,
    element(
      'div',
      { class: 'actions' },
      accept,
      isRequired
        ? null
        : element('button', { type: 'button', on: { click: () => dialog.close() } }, 'Cancel'),
    ),
  )
  const dialog = element('dialog', { 'aria-labelledby': titleId }, form)
  document.body.append(dialog)
  return new Promise((resolve) => {
    let isConfirmed = false
    form.addEventListener('submit', async (event) => {
      event.preventDefault()
      accept.disabled = true
      try {
        await check?.()
        isConfirmed = true
        dialog.close()
      } catch (error) {
        complaint.textContent = [error.message, error.hint].filter(Boolean).join(': ')
        complaint.hidden = false
      }
      accept.disabled = false
    })
    dialog.addEventListener('cancel', (event) => {
      if (isRequired) event.preventDefault()
    })
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(isConfirmed)
    })
    dialog.showModal()
  })
}
