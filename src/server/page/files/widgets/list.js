// A table of any length. Only the rows that can be seen exist; two empty ones stand for those before and
// after.
//
// Heights are taken from rows that are there, since on narrow screens a row is a card of several lines. A
// list that is short is simply a table: then the browser's search finds everything in it.

import { element, replace } from '../core/dom.js'

const SHORT = 100
const BEYOND = 12
const GUESSED_HEIGHT = 34

/**
 * A list of `columns`: `{ name, cell(item), isNumber, isHeader, order(item) }`. What `order` answers, a text
 * or a number, is what the column sorts by; a column without it does not sort. `empty` says what stands there
 * if there is nothing.
 */
export class List {
  #columns
  #items = []
  #rows = new Map()
  #height = GUESSED_HEIGHT
  #sorting = null
  #body = element('tbody')
  #before = gap()
  #after = gap()
  #empty
  #table
  #isScheduled = false

  constructor({ label, columns, empty = 'Nothing.', sorting = null }) {
    this.#columns = columns
    this.#sorting = sorting
    this.#empty = element('p', { class: 'empty', hidden: true }, empty)
    this.#table = element(
      'table',
      {},
      element('caption', { class: 'unseen' }, label),
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          columns.map((column) => this.#head(column)),
        ),
      ),
      this.#body,
    )
    this.node = element(
      'div',
      { class: 'list', role: 'region', 'aria-label': label, tabindex: '0' },
      this.#table,
      this.#empty,
    )
    this.node.addEventListener('scroll', () => this.#schedule(), { passive: true })
    new ResizeObserver(() => this.#schedule()).observe(this.node)
  }

  /**
   * Shows these, in the order that was chosen before. Who was in a row is in that of the same name after it.
   */
  show(items) {
    const focused = this.#body.contains(document.activeElement) ? nameOf(document.activeElement) : null
    this.#items = this.#sorted(items)
    this.#rows.clear()
    replace(this.#body, this.#before, this.#after)
    this.#empty.hidden = items.length > 0
    this.#table.hidden = items.length === 0
    this.#table.setAttribute('aria-rowcount', items.length + 1)
    this.node.classList.toggle('short', items.length <= SHORT)
    this.#render()
    if (focused !== null) this.#focus(focused)
  }

  #focus(name) {
    const controls = [...this.#body.querySelectorAll('a, button, input')]
    const same = controls.find((control) => nameOf(control) === name)
    ;(same ?? this.node).focus({ preventScroll: true })
  }

  /** Makes the row of an item anew, if it is there. */
  refresh(item) {
    const index = this.#items.indexOf(item)
    const row = this.#rows.get(index)
    if (!row) return
    const fresh = this.#row(index)
    row.replaceWith(fresh)
    this.#rows.set(index, fresh)
  }

  #head(column) {
    const attributes = { scope: 'col', class: column.isNumber ? 'number' : null }
    // A column of buttons needs no name to see, but one to be read out.
    if (!column.name) return element('td', {}, element('span', { class: 'unseen' }, 'Actions'))
    if (!column.order) return element('th', attributes, column.name)
    const sort = () => {
      const isAscending = this.#sorting?.name === column.name ? !this.#sorting.isAscending : !column.isNumber
      this.#sorting = { name: column.name, isAscending }
      for (const other of head.parentNode.children) other.removeAttribute('aria-sort')
      head.setAttribute('aria-sort', isAscending ? 'ascending' : 'descending')
      this.node.scrollTop = 0
      this.show(this.#items)
    }
    const head = element(
      'th',
      attributes,
      element('button', { type: 'button', on: { click: sort } }, column.name),
    )
    return head
  }

  #sorted(items) {
    const column = this.#columns.find(({ name }) => name === this.#sorting?.name)
    if (!column) return items
    const direction = this.#sorting.isAscending ? 1 : -1
    const keys = new Map(items.map((item) => [item, column.order(item)]))
    return [...items].sort((a, b) => direction * compare(keys.get(a), keys.get(b)))
  }

  #schedule() {
    if (this.#isScheduled) return
    this.#isScheduled = true
    requestAnimationFrame(() => {
      this.#isScheduled = false
      this.#render()
    })
  }

  #render() {
    const [first, end] = this.#range()
    for (const [index, row] of this.#rows) {
      // Who has the focus in a row must not lose it by scrolling.
      if ((index < first || index >= end) && !row.contains(document.activeElement)) {
        row.remove()
        this.#rows.delete(index)
      }
    }
    for (let index = first; index < end; index += 1) {
      if (!this.#rows.has(index)) this.#insert(index)
    }
    setHeight(this.#before, first * this.#height)
    setHeight(this.#after, (this.#items.length - end) * this.#height)
    this.#measure()
  }

  #range() {
    const length = this.#items.length
    if (length <= SHORT) return [0, length]
    const { scrollTop } = this.node
    // Before it is in the document it has no height.
    const visible = Math.min(this.node.clientHeight || innerHeight, innerHeight)
    const first = Math.max(0, Math.floor(scrollTop / this.#height) - BEYOND)
    return [first, Math.min(length, Math.ceil((scrollTop + visible) / this.#height) + BEYOND)]
  }

  #insert(index) {
    const row = this.#row(index)
    // The nearest row behind it; those that kept the focus may be far away.
    let next = this.#after
    let nearest = Infinity
    for (const [other, node] of this.#rows) {
      if (other > index && other < nearest) [nearest, next] = [other, node]
    }
    next.before(row)
    this.#rows.set(index, row)
  }

  #row(index) {
    const item = this.#items[index]
    return element(
      'tr',
      { 'aria-rowindex': index + 2 },
      this.#columns.map((column) => {
        const kind = column.isNumber ? 'number' : null
        if (column.isHeader) return element('th', { scope: 'row', class: kind }, column.cell(item))
        return element('td', { class: kind, data: { label: column.name || null } }, column.cell(item))
      }),
    )
  }

  #measure() {
    if (this.#items.length <= SHORT || this.#rows.size === 0) return
    const rows = [...this.#rows.values()]
    const heights = rows.reduce((sum, row) => sum + row.offsetHeight, 0)
    const height = heights / rows.length
    if (height > 0 && Math.abs(height - this.#height) > 1) {
      this.#height = height
      this.#schedule()
    }
  }
}

function gap() {
  return element('tr', { class: 'gap', 'aria-hidden': 'true' }, element('td'))
}

function setHeight(row, height) {
  row.hidden = height <= 0
  row.style.setProperty('height', `${Math.max(0, height)}px`)
}

function compare(a, b) {
  if (typeof a === 'string' || typeof b === 'string')
    return String(a ?? '').localeCompare(String(b ?? ''), 'en', { numeric: true })
  return (a ?? -Infinity) - (b ?? -Infinity)
}

/** What a control is called, by which it is known again. */
function nameOf(control) {
  return control.getAttribute('aria-label') ?? (control.closest('label') ?? control).textContent
}
