// The name of the model, and what it has besides weights.

import { amend, draft } from '../../core/draft.js'
import { element } from '../../core/dom.js'
import { textArea, textField } from '../../widgets/field.js'

/** The fields; `changed` is called when one of them was. */
export function words(changed) {
  const { name, types, template, system, license, parameters } = draft()
  const tied = (field, { control, node }) => {
    control.addEventListener('change', () => {
      amend({ [field]: control.value.trim() })
      changed()
    })
    return node
  }
  const hint = types.length > 1 ? 'Each type gets a tag of its own after this name' : ''
  const example = { placeholder: 'temperature 0.5' }
  return [
    tied('name', textField('Name of the model', { value: name, required: true }, hint)),
    element(
      'details',
      {},
      element('summary', {}, 'Template, system prompt, parameters, license'),
      element(
        'div',
        { class: 'columns' },
        tied('template', textArea('Template', {}, template, 'Left empty, the chat format is recognised')),
        tied('system', textArea('System', {}, system)),
        tied('parameters', textArea('Parameters', example, parameters, 'One a line')),
        tied('license', textArea('License', {}, license)),
      ),
    ),
  ]
}
