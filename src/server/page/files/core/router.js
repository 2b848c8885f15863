// Which view is shown: the part of the address behind `#`. So every view can be linked to and kept, and the
// server has one page to serve.

import { announce } from './announce.js'
import { element, replace } from './dom.js'
import { problem } from '../widgets/problem.js'

/** The address of a view. Parts are escaped, whatever is in them. */
export function route(parts, query = {}) {
  const path = parts.map((part) => encodeURIComponent(part)).join('/')
  const search = new URLSearchParams(
    Object.entries(query).filter(([, value]) => value !== '' && value != null),
  )
  return `#/${path}${search.size ? `?${search}` : ''}`
}

/** Goes to a view. */
export function go(target) {
  location.hash = target
}

/** Changes the address without showing the view anew, for what people choose inside it. */
export function keep(target) {
  history.replaceState(null, '', target)
}

/**
 * Shows views in a node. Each pattern, as `models/:name`, has a view: `{ title, show(context) }`. What `show`
 * puts into `content` takes the place of the view before, whose signal is aborted; until `show` has ended,
 * the node is busy.
 */
export class Router {
  #routes
  #outlet
  #leaving = new AbortController()
  #isFirst = true

  constructor(outlet, patterns) {
    this.#outlet = outlet
    this.#routes = Object.entries(patterns).map(([pattern, view]) => ({ parts: pattern.split('/'), view }))
  }

  start() {
    addEventListener('hashchange', () => this.#show())
    this.#show()
  }

  async #show() {
    const hash = location.hash
    // The link to the content is no view.
    if (hash === '#main') return
    const { path, query } = located(hash || '#/models')
    const match = this.#match(path)
    this.#leaving.abort()
    this.#leaving = new AbortController()
    const { signal } = this.#leaving
    const { view, parameters } = match ?? { view: nowhere, parameters: {} }
    const title = typeof view.title === 'function' ? view.title(parameters) : view.title
    document.title = `${title} · ollamake`
    markCurrent(path[0])
    const heading = element('h1', { tabindex: '-1' }, title)
    const content = element('div', { class: 'view' })
    replace(this.#outlet, heading, content)
    if (!this.#isFirst) {
      scrollTo(0, 0)
      heading.focus({ preventScroll: true })
      announce(title)
    }
    this.#isFirst = false
    this.#outlet.setAttribute('aria-busy', 'true')
    try {
      await view.show({ parameters, query, signal, content, heading })
    } catch (error) {
      if (!signal.aborted) content.append(problem(error))
    }
    if (!signal.aborted) this.#outlet.removeAttribute('aria-busy')
  }

  #match(path) {
    for (const { parts, view } of this.#routes) {
      if (parts.length !== path.length) continue
      const parameters = {}
      const fits = parts.every((part, index) => {
        if (!part.startsWith(':')) return part === path[index]
        parameters[part.slice(1)] = path[index]
        return path[index] !== ''
      })
      if (fits) return { view, parameters }
    }
    return null
  }
}

const nowhere = {
  title: 'Not found',
  show: ({ content }) =>
    content.append(
      element('p', {}, 'There is no such view. ', element('a', { href: '#/models' }, 'See the models.')),
    ),
}

function located(hash) {
  const [path, search] = hash.replace(/^#\/?/, '').split('?')
  return { path: path.split('/').map(unescaped), query: new URLSearchParams(search) }
}

function unescaped(part) {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function markCurrent(section) {
  for (const link of document.querySelectorAll('#views a')) {
    const isCurrent = link.getAttribute('href') === `#/${section}`
    if (isCurrent) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
}
