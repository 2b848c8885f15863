// Kinds of columns that lists have.

/** Texts, by which the list sorts. */
export function texts(name, text) {
  return { name, cell: text, order: text }
}

/** Texts that say what a row is about. */
export function headers(name, text) {
  return { ...texts(name, text), isHeader: true }
}

/** Numbers, each put into words. */
export function numbers(name, number, word) {
  return { name, isNumber: true, cell: (item) => word(number(item)), order: number }
}
