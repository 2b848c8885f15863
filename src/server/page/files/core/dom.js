// Elements out of values. Text only ever becomes text: nothing here, or anywhere in the page, parses markup.

const SVG = 'http://www.w3.org/2000/svg'

/**
 * An HTML element.
 *
 * `properties`: `class`, `on` (listeners by event), `data` and `aria` (attributes by the rest of their
 * names); all else is an attribute, where `true` means an empty one and `false`, `null` and `undefined` none.
 * `children` are nodes, texts, numbers, and lists of these; `null`, `undefined` and `false` are left out.
 */
export function element(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children)
}

/** The same for a graphic. */
export function graphic(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children)
}

/** Takes away what is in a node and puts these in. */
export function replace(node, ...children) {
  node.replaceChildren(...nodes(children))
  return node
}

function filled(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener)
    } else if (name === 'data' || name === 'aria') {
      for (const [rest, text] of Object.entries(value)) setAttribute(node, `${name}-${rest}`, text)
    } else {
      setAttribute(node, name, value)
    }
  }
  node.append(...nodes(children))
  return node
}

function setAttribute(node, name, value) {
  // ARIA spells out "true" and "false"; for all other attributes it matters only whether they are there.
  const isSpelled = name.startsWith('aria-')
  if (value === null || value === undefined || (value === false && !isSpelled)) return
  node.setAttribute(name, value === true && !isSpelled ? '' : String(value))
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
}
