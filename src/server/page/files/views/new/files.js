// Files of this machine: given, looked into, and sent.

import { get } from '../../core/api.js'
import { announce } from '../../core/announce.js'
import { inBatches } from '../../core/batches.js'
import { amend, discard, draft, modelName } from '../../core/draft.js'
import { element, replace } from '../../core/dom.js'
import { counted } from '../../core/format.js'
import { go, route } from '../../core/router.js'
import { byFolder, judge } from '../../inspection/folder.js'
import { inspect } from '../../inspection/files.js'
import { queue } from '../../upload/queue.js'
import { dropZone } from '../../widgets/drop.js'
import { choice } from '../../widgets/field.js'
import { problem } from '../../widgets/problem.js'
import { fileList } from './file_list.js'
import { Transfer } from './transfer.js'
import { isNeeded, verdict } from './verdict.js'

const MOST_NAMES = 8

export class FilesPanel {
  #signal
  #list = fileList()
  #folders = element('div')
  #verdict = element('div', { class: 'stack' })
  #reading = new AbortController()

  constructor(signal) {
    this.#signal = signal
    const zone = dropZone(
      (files) => this.#take(files),
      (error) => replace(this.#verdict, problem(error)),
    )
    const transfer = new Transfer(signal, (entry) => this.#list.refresh(entry), finish)
    const below = [this.#folders, this.#verdict, transfer.node, this.#list.node]
    this.node = element('div', { class: 'stack' }, zone, wantedAgain(), below)
    this.#show(queue.entries)
  }

  #show(entries) {
    this.#list.node.hidden = entries.length === 0
    this.#list.show(entries)
  }

  async #take(files) {
    const folders = byFolder(files)
    const names = [...folders.keys()]
    const pick = choice(
      'Several folders were given; each is a model of its own',
      names.map((name) => [name, name || 'single files']),
      names[0],
    )
    pick.control.addEventListener('change', () => this.#look(folders.get(pick.control.value)))
    replace(this.#folders, names.length > 1 ? pick.node : null)
    await this.#look(folders.get(names[0]) ?? [])
  }

  /** Looks into files, and says what they are. Those that are given meanwhile take their place. */
  async #look(files) {
    this.#reading.abort()
    this.#reading = new AbortController()
    const signal = AbortSignal.any([this.#reading.signal, this.#signal])
    const status = `Looking into ${counted(files.length, 'file')} …`
    replace(this.#verdict, element('p', { role: 'status' }, status))
    try {
      const look = async ({ path, file }) => ({ path, file, found: await inspect(file, path) })
      const entries = await inBatches(files, look, signal)
      const classes = await modelClasses(signal)
      const { available } = await get('ollamake/v1/store', { signal })
      this.#show(entries.sort(byNeed))
      const judgement = judge(entries, classes)
      const upload = (belonging) => this.#upload(judgement.kind, belonging, entries)
      replace(this.#verdict, verdict(judgement, entries, available, upload))
    } catch (error) {
      if (!signal.aborted) replace(this.#verdict, problem(error))
    }
  }

  #upload(kind, belonging, entries) {
    const needed = entries.filter(isNeeded)
    const [folder] = needed[0].path.split('/')
    const wanted = needed.map(({ path }) => path)
    discard()
    amend({ kind, ...belonging, name: modelName(folder), wanted })
    replace(this.#verdict)
    queue.set(needed)
    this.#show(queue.entries)
  }
}

/** What was on its way when the page was closed: no page can keep a file, so it has to be given again. */
function wantedAgain() {
  const { wanted } = draft()
  if (!wanted.length || queue.entries.length) return null
  const names = wanted.slice(0, MOST_NAMES).join(', ')
  return element(
    'div',
    { class: 'notice' },
    element('p', {}, `Give ${counted(wanted.length, 'file')} again; the upload goes on where it was:`),
    element('p', { class: 'mono' }, names, wanted.length > MOST_NAMES ? ' …' : ''),
  )
}

/** Those that are needed first, by name. */
function byNeed(a, b) {
  return isNeeded(b) - isNeeded(a) || a.path.localeCompare(b.path)
}

/** The model classes that the server converts, or nothing if it does not tell; then the dry run does. */
async function modelClasses(signal) {
  try {
    const { architectures } = await get('ollamake/v1/architectures', { signal })
    return new Set(architectures.map(({ name }) => name))
  } catch {
    signal.throwIfAborted()
    return null
  }
}

/** All files are with the server: what they were decides what becomes of their digests. */
function finish() {
  const digests = (entries) => Object.fromEntries(entries.map(({ path, digest }) => [path, digest]))
  const isMatrix = ({ found }) => found.kind === 'matrix'
  const rest = digests(queue.entries.filter((entry) => !isMatrix(entry)))
  const matrix = queue.entries.find(isMatrix)?.digest ?? ''
  const isAdapter = draft().kind === 'adapter'
  amend({ files: isAdapter ? {} : rest, adapters: isAdapter ? rest : {}, matrix, wanted: [] })
  queue.forget()
  announce('All files are uploaded')
  go(route(['new', 'types']))
}
