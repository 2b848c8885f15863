// Fields of forms: a label, the control, and what is to be known about it.

import { element } from '../core/dom.js'

let number = 0

/** A control with a label above it. `make` gets the attributes that tie both together. */
export function field(label, make, hint = '') {
  number += 1
  const id = `field-${number}`
  const described = hint ? { 'aria-describedby': `${id}-hint` } : {}
  const control = make({ id, ...described })
  return {
    control,
    node: element(
      'div',
      { class: 'field' },
      element('label', { for: id }, label),
      control,
      hint ? element('p', { class: 'hint', id: `${id}-hint` }, hint) : null,
    ),
  }
}

/** A line of text. */
export function textField(label, properties = {}, hint = '') {
  return field(
    label,
    (ties) =>
      element('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', ...properties, ...ties }),
    hint,
  )
}

/** A number. */
export function numberField(label, properties = {}, hint = '') {
  return textField(
    label,
    { type: 'number', min: '0', step: 'any', inputmode: 'decimal', ...properties },
    hint,
  )
}

/** Several lines of text. */
export function textArea(label, properties = {}, text = '', hint = '') {
  return field(
    label,
    (ties) => element('textarea', { spellcheck: 'false', rows: '4', ...properties, ...ties }, text),
    hint,
  )
}

/** One of several values; `options` are `[value, label]` or texts that are both. */
export function choice(label, options, chosen, properties = {}, hint = '') {
  const entries = options.map((option) => (Array.isArray(option) ? option : [option, option]))
  return field(
    label,
    (ties) =>
      element(
        'select',
        { ...properties, ...ties },
        entries.map(([value, text]) => element('option', { value, selected: value === chosen }, text)),
      ),
    hint,
  )
}

/** Yes or no. */
export function checkBox(label, isChecked, properties = {}) {
  const control = element('input', { type: 'checkbox', checked: isChecked, ...properties })
  return { control, node: element('label', { class: 'check' }, control, element('span', {}, label)) }
}
