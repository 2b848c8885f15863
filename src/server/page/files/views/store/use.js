// What takes how much of the disk.

import { element } from '../../core/dom.js'
import { bytes, counted } from '../../core/format.js'
import { route } from '../../core/router.js'
import { facts } from '../../widgets/facts.js'
import { histogram } from '../../widgets/histogram.js'

const MOST_BARS = 12
const REST = [
  ['leased', 'In use by jobs'],
  ['under_way', 'Being written'],
  ['unnamed', 'Named by no model'],
  ['left_over', 'Left over by programs that ended'],
  ['partial_downloads', 'Downloads that can go on'],
  ['guests', 'Images and artifacts, pushed here'],
  ['foreign_downloads', 'Downloads of other programs'],
  ['quarantined', 'Damaged, taken out'],
]

export function use(store) {
  const largest = [...store.models].sort((a, b) => b.own - a.own).slice(0, MOST_BARS)
  const rest = REST.filter(([key]) => store[key]?.files > 0)
  return [
    element('p', {}, `${bytes(store.available)} free on its disk.`),
    largest.length ? element('h3', {}, 'What deleting a model frees') : null,
    histogram(largest.map(bar)),
    facts(rest.map(([key, name]) => [name, tally(store[key])])),
  ]
}

function bar({ model, own, shared }) {
  const label = element('a', { href: route(['models', model]) }, model)
  return { label, name: model, value: own, text: `${bytes(own)} own, ${bytes(shared)} shared` }
}

function tally({ files, bytes: size }) {
  return `${counted(files, 'file')}, ${bytes(size)}`
}
