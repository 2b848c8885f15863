// Where files and folders are dropped, or chosen with the keyboard.

import { inBatches } from '../core/batches.js'
import { element } from '../core/dom.js'
import { actions } from './button.js'
import { chooseFiles } from './choose_file.js'

// Nobody means so many; walking through them would only take time.
const MOST_FILES = 20_000

/** A zone that tells of `{ path, file }` that were given, or of what went wrong. */
export function dropZone(taken, failed) {
  async function take(find) {
    try {
      taken(await find())
    } catch (error) {
      failed(error)
    }
  }

  const choose = (files) =>
    take(() => files.map((file) => ({ path: file.webkitRelativePath || file.name, file })))

  const zone = element(
    'div',
    { class: 'drop', role: 'group', 'aria-label': 'Files of a model' },
    element('p', {}, element('strong', {}, 'Drop files or a folder here')),
    element(
      'p',
      { class: 'hint' },
      'A GGUF file, a checkpoint as Hugging Face has it, an adapter, an importance matrix',
    ),
    actions(
      chooseFiles('Choose files', 'choose-files', { multiple: true }, choose),
      chooseFiles('Choose a folder', 'choose-folder', { webkitdirectory: true }, choose),
    ),
  )
  const over = (is) => (event) => {
    event.preventDefault()
    zone.classList.toggle('over', is)
  }
  zone.addEventListener('dragenter', over(true))
  zone.addEventListener('dragover', over(true))
  zone.addEventListener('dragleave', over(false))
  zone.addEventListener('drop', (event) => {
    over(false)(event)
    // What was dropped can be asked for only now; afterwards the browser has forgotten it.
    const dropped = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean)
    take(() => walked(dropped))
  })
  return zone
}

/** All files of entries of a file system, folders within folders too. */
async function walked(entries) {
  const found = []
  const folders = []
  for (let level = entries; level.length; level = (await inBatches(folders.splice(0), children)).flat()) {
    found.push(...level.filter((entry) => entry.isFile))
    folders.push(...level.filter((entry) => entry.isDirectory))
    if (found.length > MOST_FILES) {
      throw new Error(`these are more than ${MOST_FILES} files; drop the folder of one model`)
    }
  }
  return inBatches(found, async (entry) => {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject))
    return { path: entry.fullPath.replace(/^\//, ''), file }
  })
}

/** The entries of a folder, which browsers tell in pieces. */
async function children(folder) {
  const reader = folder.createReader()
  const all = []
  for (;;) {
    const piece = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
    if (piece.length === 0) return all
    all.push(...piece)
  }
}
