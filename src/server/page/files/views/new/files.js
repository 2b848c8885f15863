// Files of this machine: what they are, what is missing, and their way to the server.

import { get } from '../../core/api.js'
import { announce } from '../../core/announce.js'
import { inBatches } from '../../core/batches.js'
import { amend, draft } from '../../core/draft.js'
import { element, replace } from '../../core/dom.js'
import { bytes, counted, duration } from '../../core/format.js'
import { go, route } from '../../core/router.js'
import { byFolder, judge } from '../../inspection/folder.js'
import { inspect } from '../../inspection/files.js'
import { queue } from '../../upload/queue.js'
import { dropZone } from '../../widgets/drop.js'
import { choice, textField } from '../../widgets/field.js'
import { List } from '../../widgets/list.js'
import { problem, warning } from '../../widgets/problem.js'

// What the server takes in one request (OLLAMAKE_MAX_FILES) unless its operator says otherwise.
const MOST_FILES = 1024
const NEEDLESS = ['unneeded', 'wrong']
// The screen needs no more, and every change costs the upload time.
const REDRAW = 250

export class FilesPanel {
  #signal
  #entries = []
  #judgement = null
  #folders = element('div')
  #verdict = element('div', { class: 'stack' })
  #transfer = element('div', { class: 'stack' })
  #list = fileList()
  #reading = new AbortController()
  #drawn = 0

  constructor(signal) {
    this.#signal = signal
    const zone = dropZone(
      (files) => this.#take(files),
      (error) => replace(this.#verdict, problem(error)),
    )
    this.node = element(
      'div',
      { class: 'stack' },
      zone,
      this.#wanted(),
      this.#folders,
      this.#verdict,
      this.#transfer,
      this.#list.node,
    )
    this.#list.node.hidden = true
    const changed = () => this.#drawTransfer()
    queue.addEventListener('change', changed)
    signal.addEventListener('abort', () => queue.removeEventListener('change', changed))
    if (queue.entries.length) this.#return()
  }

  /** The view was left and is back while files are on their way. */
  #return() {
    this.#entries = queue.entries.map((entry) => ({ ...entry, found: entry.found ?? { kind: '', text: '' } }))
    this.#drawTransfer()
  }

  #wanted() {
    const { wanted } = draft()
    if (!wanted.length || queue.entries.length) return null
    return element(
      'div',
      { class: 'notice' },
      element(
        'p',
        {},
        `Give these ${counted(wanted.length, 'file')} again; the upload goes on where it was:`,
      ),
      element('p', { class: 'mono' }, wanted.slice(0, 8).join(', '), wanted.length > 8 ? ' …' : ''),
    )
  }

  async #take(files) {
    replace(this.#transfer)
    const folders = byFolder(files)
    if (folders.size < 2) {
      replace(this.#folders)
      return this.#look(files)
    }
    const names = [...folders.keys()]
    const pick = choice(
      'Several folders were given; each is a model of its own',
      names.map((name) => [name, name || 'single files']),
      names[0],
    )
    pick.control.addEventListener('change', () => this.#look(folders.get(pick.control.value)))
    replace(this.#folders, pick.node)
    await this.#look(folders.get(names[0]))
  }

  async #look(files) {
    this.#reading.abort()
    this.#reading = new AbortController()
    const { signal } = this.#reading
    replace(
      this.#verdict,
      element('p', { role: 'status' }, `Looking into ${counted(files.length, 'file')} …`),
    )
    const leaving = AbortSignal.any([signal, this.#signal])
    const look = async ({ path, file }) => ({ path, file, found: await inspect(file, path) })
    const entries = await inBatches(files, look, leaving).catch((error) => {
      if (!leaving.aborted) throw error
    })
    if (!entries) return
    const known = await this.#architectures()
    this.#entries = entries.sort(
      (a, b) =>
        NEEDLESS.includes(a.found.kind) - NEEDLESS.includes(b.found.kind) || a.path.localeCompare(b.path),
    )
    this.#judgement = judge(entries, known)
    this.#list.node.hidden = false
    this.#list.show(this.#entries)
    await this.#drawVerdict()
  }

  async #architectures() {
    try {
      const { architectures } = await get('ollamake/v1/architectures', { signal: this.#signal })
      return new Set(architectures.map(({ name }) => name))
    } catch {
      // Then the dry run tells.
      return null
    }
  }

  #needed() {
    return this.#entries.filter((entry) => !NEEDLESS.includes(entry.found.kind))
  }

  async #drawVerdict() {
    const { kind, title, missing, problems } = this.#judgement
    const needed = this.#needed()
    const size = needed.reduce((sum, entry) => sum + entry.file.size, 0)
    const { available } = await get('ollamake/v1/store', { signal: this.#signal })
    const obstacles = [
      needed.length > MOST_FILES
        ? `${counted(needed.length, 'file')} are more than a model may have (${MOST_FILES})`
        : null,
      size > available
        ? `The files take ${bytes(size)}, and the disk of the server has ${bytes(available)} left`
        : null,
    ].filter(Boolean)
    const base =
      kind === 'adapter'
        ? textField('Model that the adapter belongs to', { required: true, value: draft().from })
        : null
    const begin = element(
      'button',
      { class: 'primary', disabled: missing.length > 0 || obstacles.length > 0 },
      `Upload ${bytes(size)}`,
    )
    const submit = (event) => {
      event.preventDefault()
      this.#upload(base?.control.value.trim() ?? '')
    }
    replace(
      this.#verdict,
      element('p', { role: 'status' }, element('strong', {}, `${title}.`)),
      missing.length
        ? problem({
            message: `Missing: ${missing.slice(0, 20).join(', ')}${missing.length > 20 ? ' …' : ''}`,
          })
        : null,
      obstacles.map((message) => problem({ message })),
      problems.slice(0, 10).map(warning),
      element(
        'form',
        { class: 'stack', on: { submit } },
        base?.node,
        element('div', { class: 'actions' }, begin),
      ),
    )
  }

  #upload(base) {
    const needed = this.#needed()
    const folder = this.#entries[0]?.path.includes('/') ? this.#entries[0].path.split('/')[0] : ''
    amend({
      kind: this.#judgement.kind,
      from: base,
      files: {},
      adapters: {},
      matrix: '',
      name: modelName(folder || needed[0].path),
      wanted: needed.map((entry) => entry.path),
    })
    queue.set(needed)
    // What a file is decides what becomes of its digest.
    queue.entries.forEach((entry, index) => Object.assign(entry, { found: needed[index].found }))
    this.#entries = needed.map((entry, index) => Object.assign(queue.entries[index], { found: entry.found }))
    this.#list.show(this.#entries)
    replace(this.#verdict)
  }

  #drawTransfer() {
    const now = performance.now()
    const isSettled = queue.isDone || queue.hasFailed || queue.isPaused
    if (now - this.#drawn < REDRAW && !isSettled) return
    this.#drawn = now
    if (!queue.entries.length) return replace(this.#transfer)
    if (queue.isDone) return this.#finish()
    const { total, sent, speed } = queue
    const left = speed > 0 ? `${bytes(speed)}/s, ${duration((total - sent) / speed)} left` : ''
    const failures = queue.entries.filter(({ state }) => state === 'failed')
    const act =
      queue.isPaused || failures.length
        ? element(
            'button',
            { type: 'button', class: 'primary', on: { click: () => queue.resume() } },
            'Go on',
          )
        : element('button', { type: 'button', on: { click: () => queue.pause() } }, 'Pause')
    const bar = element('progress', { max: String(total), value: String(sent), 'aria-label': 'Upload' })
    const text = element(
      'p',
      { class: 'muted' },
      `${bytes(sent)} of ${bytes(total)}`,
      left && `, ${left}`,
      queue.isPaused ? ', paused' : '',
    )
    const before = this.#transfer.querySelector('button')
    const hadFocus = before === document.activeElement && before !== null
    replace(
      this.#transfer,
      bar,
      element('div', { class: 'row ends' }, text, act),
      failures.map((entry) =>
        problem({ message: `${entry.path}: ${entry.error.message}`, hint: entry.error.hint }),
      ),
    )
    if (hadFocus) act.focus()
    this.#list.node.hidden = false
    for (const entry of this.#entries) this.#list.refresh(entry)
  }

  #finish() {
    const digests = (accepts) =>
      Object.fromEntries(
        queue.entries.filter((entry) => accepts(entry.found.kind)).map((entry) => [entry.path, entry.digest]),
      )
    const isMatrix = (kind) => kind === 'matrix'
    const [matrix = ''] = Object.values(digests(isMatrix))
    const rest = digests((kind) => !isMatrix(kind))
    const isAdapter = draft().kind === 'adapter'
    amend({ files: isAdapter ? {} : rest, adapters: isAdapter ? rest : {}, matrix, wanted: [] })
    queue.entries = []
    replace(this.#transfer)
    announce('All files are uploaded')
    if (!this.#signal.aborted) go(route(['new', 'types']))
  }
}

function fileList() {
  return new List({
    label: 'Files',
    columns: [
      { name: 'File', isHeader: true, cell: (entry) => entry.path, order: (entry) => entry.path },
      {
        name: 'What it is',
        cell: (entry) =>
          entry.found.kind === 'wrong'
            ? [element('span', { class: 'badge bad' }, 'cannot be used'), ' ', entry.found.text]
            : entry.found.text,
        order: (entry) => entry.found.kind,
      },
      {
        name: 'Size',
        isNumber: true,
        cell: (entry) => bytes(entry.file.size),
        order: (entry) => entry.file.size,
      },
      { name: 'State', cell: state, order: (entry) => entry.state },
    ],
  })
}

function state(entry) {
  if (entry.found.kind === 'unneeded') return 'left out'
  if (entry.state === 'uploading') return `${bytes(entry.sent)} sent`
  return entry.state ?? ''
}

/** A name that models may have, after that of a file or a folder. */
function modelName(path) {
  const plain = path
    .split('/')
    .at(-1)
    .replace(/\.(gguf|safetensors)$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[-._]+|[-._]+$/g, '')
  return plain || 'model'
}
