// In what a quantization differs from its type.

import { element, replace } from '../../core/dom.js'
import { bytes } from '../../core/format.js'
import { save } from '../../core/save.js'
import { Attempts } from '../../widgets/attempt.js'
import { actions, button } from '../../widgets/button.js'
import { chooseFiles } from '../../widgets/choose_file.js'
import { checkBox, textField } from '../../widgets/field.js'

const PAUSE = 600
const TEXTS = [
  ['output_tensor_type', 'Type of the output', 'q6_k'],
  ['token_embedding_type', 'Type of the token embedding', 'q8_0'],
  ['target_size', 'Size that it must not exceed', '7.5GiB'],
]
const FLAGS = [
  ['pure', 'No mixture: one type for all'],
  ['leave_output_tensor', 'The output stays as it is'],
  ['allow_requantize', 'What is quantized already may be quantized again'],
]
const HERE = new Set([...TEXTS, ...FLAGS].map(([field]) => field).concat('tensor_types'))

export class RecipeEditor {
  #changed
  #others = {}
  #rows = element('div', { class: 'stack' })
  #form = element('div', { class: 'stack' })
  #total = element('p', { role: 'status' })
  #attempts
  #fields = new Map()
  #timer = 0

  /** `changed` is called with the recipe when the person has paused. */
  constructor(recipe, signal, changed) {
    this.#attempts = new Attempts(signal)
    this.#changed = changed
    const load = ([file]) => this.#attempts.run(() => this.#load(file))
    this.node = element(
      'div',
      { class: 'stack' },
      this.#form,
      this.#attempts.node,
      this.#total,
      actions(
        chooseFiles('Load a recipe', 'load-recipe', { accept: '.json,.txt' }, load),
        button('Save this recipe', () => save('recipe.json', `${JSON.stringify(this.#recipe(), null, 2)}\n`)),
      ),
    )
    this.#draw(recipe)
  }

  /** What the chosen types come to with it. */
  total(candidates) {
    this.#total.textContent = candidates.map(({ name, size }) => `${name}: ${bytes(size)}`).join(', ')
  }

  #draw(recipe) {
    this.#others = Object.fromEntries(Object.entries(recipe).filter(([field]) => !HERE.has(field)))
    this.#fields.clear()
    replace(
      this.#rows,
      (recipe.tensor_types ?? []).map(([pattern, type]) => this.#row(pattern, type)),
    )
    const texts = TEXTS.map(([field, label, example]) =>
      this.#tied(field, textField(label, { value: recipe[field] ?? '', placeholder: example })),
    )
    const flags = FLAGS.map(([field, label]) => this.#tied(field, checkBox(label, recipe[field] === true)))
    const kept = Object.keys(this.#others)
    replace(
      this.#form,
      element(
        'fieldset',
        {},
        element('legend', {}, 'Types by the names of tensors'),
        element('p', { class: 'hint' }, 'The first pattern that is found in a name decides.'),
        this.#rows,
        actions(button('Add a pattern', () => this.#add())),
      ),
      element('div', { class: 'columns' }, texts),
      flags,
      kept.length ? element('p', { class: 'hint' }, `Also kept: ${kept.join(', ')}`) : null,
    )
  }

  #tied(field, { control, node }) {
    this.#fields.set(field, control)
    control.addEventListener('input', () => this.#tell())
    return node
  }

  #row(pattern, type) {
    const patternField = textField('Pattern', { value: pattern, placeholder: 'attn_v' })
    const typeField = textField('Type', { value: type, placeholder: 'q8_0' })
    const remove = () => {
      row.remove()
      this.#tell()
    }
    const away = button('Remove', remove, { name: `Remove pattern ${pattern}` })
    const row = element('div', { class: 'row' }, patternField.node, typeField.node, away)
    for (const { control } of [patternField, typeField]) control.addEventListener('input', () => this.#tell())
    return row
  }

  #add() {
    const row = this.#row('', '')
    this.#rows.append(row)
    row.querySelector('input').focus()
  }

  #recipe() {
    const patterns = [...this.#rows.children]
      .map((row) => [...row.querySelectorAll('input')].map((input) => input.value.trim()))
      .filter(([pattern, type]) => pattern && type)
    const fields = [...this.#fields].map(([field, control]) => [
      field,
      control.type === 'checkbox' ? control.checked : control.value.trim(),
    ])
    return {
      ...this.#others,
      ...(patterns.length ? { tensor_types: patterns } : {}),
      ...Object.fromEntries(fields.filter(([, value]) => value)),
    }
  }

  /** Tells of a change when the person has paused. */
  #tell() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#changed(this.#recipe()), PAUSE)
  }

  async #load(file) {
    this.#draw(read(await file.text()))
    this.#tell()
  }
}

/** A JSON object, or words of the form PATTERN=TYPE, as llama-quantize takes them. */
function read(text) {
  if (text.trimStart().startsWith('{')) return JSON.parse(text)
  const words = text
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)])
  if (!words.length || words.some(([pattern, type]) => !pattern || !type)) {
    throw new Error('a recipe is a JSON object or lines of PATTERN=TYPE')
  }
  return { tensor_types: words }
}
