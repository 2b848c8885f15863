// The pairs of a GGUF file's metadata. Long arrays are folded; unfolded they are fetched a page at a time.

import { element, replace } from '../../core/dom.js'
import { counted, integer } from '../../core/format.js'
import { button } from '../../widgets/button.js'
import { numberField, textField } from '../../widgets/field.js'
import { List } from '../../widgets/list.js'
import { problem } from '../../widgets/problem.js'

const FOLDED = 8
const PAGE = 500
// The server answers at most so many elements at once; a vocabulary is searched in pieces.
const PIECE = 20_000
const MOST_FOUND = 200
const LONG_TEXT = 300

export async function metadata({ model, content, signal }) {
  const { metadata: pairs } = await model.look(`metadata?count=${FOLDED}`)
  const search = textField('Search keys and values', { type: 'search' })
  const list = new List({
    label: 'Metadata',
    columns: [
      { name: 'Key', isHeader: true, cell: (pair) => pair.key, order: (pair) => pair.key },
      { name: 'Type', cell: (pair) => pair.type, order: (pair) => pair.type },
      { name: 'Value', cell: (pair) => valueCell(pair, model, signal) },
    ],
    empty: 'No key or value has this text.',
  })
  search.control.addEventListener('input', () => {
    const wanted = search.control.value.trim().toLowerCase()
    list.show(pairs.filter((pair) => `${pair.key} ${pair.value}`.toLowerCase().includes(wanted)))
  })
  content.append(
    element(
      'div',
      { class: 'row ends' },
      search.node,
      element('p', { class: 'muted' }, counted(pairs.length, 'key')),
    ),
    list.node,
  )
  list.show(pairs)
}

function valueCell(pair, model, signal) {
  if (pair.length !== undefined)
    return pair.length > pair.value.length ? folded(pair, model, signal) : pair.value.map(String).join(', ')
  const text = String(pair.value)
  if (text.length <= LONG_TEXT && !text.includes('\n')) return text
  return element(
    'details',
    {},
    element('summary', {}, `${text.slice(0, 80)} … (${counted(text.length, 'character')})`),
    element('pre', { tabindex: '0' }, text),
  )
}

function folded(pair, model, signal) {
  const beginning = pair.value.map(String).join(', ')
  const inside = element('div', { class: 'stack' })
  const details = element(
    'details',
    {},
    element('summary', {}, `${integer(pair.length)} elements: ${beginning} …`),
    inside,
  )
  details.addEventListener('toggle', () => {
    if (details.open && !inside.hasChildNodes()) inside.append(new Elements(pair, model, signal).node)
  })
  return details
}

/** The elements of an array, a page at a time, and a search among all of them. */
class Elements {
  #pair
  #model
  #signal
  #from = 0
  #shown = element('pre', { tabindex: '0' })
  #range = element('span', { class: 'muted', role: 'status' })
  #previous = this.#mover('Previous', -PAGE)
  #next = this.#mover('Next', PAGE)
  #searching = new AbortController()

  constructor(pair, model, signal) {
    this.#pair = pair
    this.#model = model
    this.#signal = signal
    const at = numberField('Go to number', { step: '1', max: String(pair.length - 1) })
    at.control.addEventListener('change', () => this.#show(Number(at.control.value) || 0))
    const search = textField('Search elements', { type: 'search' })
    search.control.addEventListener('change', () => this.#search(search.control.value))
    this.node = element(
      'div',
      { class: 'stack' },
      element('div', { class: 'row' }, at.node, search.node),
      element('div', { class: 'row' }, this.#previous, this.#next, this.#range),
      this.#shown,
    )
    this.#show(0)
  }

  #mover(word, step) {
    return button(word, () => this.#show(this.#from + step))
  }

  async #elements(from, count) {
    const key = encodeURIComponent(this.#pair.key)
    const {
      metadata: [pair],
    } = await this.#model.look(`metadata?key=${key}&from=${from}&count=${count}`)
    return pair.value
  }

  async #show(from) {
    this.#from = Math.max(0, Math.min(from, this.#pair.length - 1))
    try {
      const values = await this.#elements(this.#from, PAGE)
      this.#shown.textContent = values.map((value, index) => line(this.#from + index, value)).join('\n')
      const last = this.#from + values.length - 1
      this.#range.textContent = `${integer(this.#from)} to ${integer(last)} of ${integer(this.#pair.length)}`
    } catch (error) {
      if (!this.#signal.aborted) replace(this.#range, problem(error))
    }
    this.#previous.disabled = this.#from === 0
    this.#next.disabled = this.#from + PAGE >= this.#pair.length
  }

  async #search(wanted) {
    this.#searching.abort()
    this.#searching = new AbortController()
    const { signal } = this.#searching
    if (!wanted) return this.#show(this.#from)
    const found = []
    for (let from = 0; from < this.#pair.length && found.length < MOST_FOUND; from += PIECE) {
      const values = await this.#elements(from, PIECE)
      if (signal.aborted || this.#signal.aborted) return
      values.forEach((value, index) => {
        if (found.length < MOST_FOUND && String(value).includes(wanted)) found.push(line(from + index, value))
      })
      this.#shown.textContent = found.join('\n')
      this.#range.textContent = `${counted(found.length, 'element')} found`
    }
  }
}

function line(index, value) {
  return `${String(index).padStart(7)}  ${typeof value === 'string' ? JSON.stringify(value) : value}`
}
