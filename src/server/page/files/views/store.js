// What the store takes, whether it is whole, what could go, and how the server is set.

import { get, Refusal, send } from '../core/api.js'
import { announce } from '../core/announce.js'
import { element, replace } from '../core/dom.js'
import { bytes, counted, shortDigest } from '../core/format.js'
import { route } from '../core/router.js'
import { openDialog } from '../widgets/dialog.js'
import { checkBox } from '../widgets/field.js'
import { facts } from '../widgets/facts.js'
import { histogram } from '../widgets/histogram.js'
import { List } from '../widgets/list.js'
import { problem, warning } from '../widgets/problem.js'

const MOST_BARS = 12
const REST = [
  ['leased', 'In use by jobs'],
  ['under_way', 'Being written'],
  ['unnamed', 'Named by no model'],
  ['left_over', 'Left over by programs that ended'],
  ['partial_downloads', 'Downloads that can go on'],
  ['foreign_downloads', 'Downloads of other programs'],
  ['quarantined', 'Damaged, taken out'],
]

export const title = 'Store'

export async function show({ signal, content }) {
  const sections = ['Use of the disk', 'Check', 'Prune', 'Health', 'Settings'].map((name) => {
    const body = element('div', { class: 'stack' })
    content.append(element('section', { class: 'panel' }, element('h2', {}, name), body))
    return body
  })
  const [use, check, prune, health, settings] = sections
  const fill = async (body, make) => {
    try {
      replace(body, await make())
    } catch (error) {
      if (!signal.aborted) replace(body, problem(error))
    }
  }
  const showUse = () => fill(use, async () => useOf(await get('ollamake/v1/store', { signal })))
  fill(check, () => checking(check, signal))
  fill(prune, () => pruning(prune, signal, showUse))
  await Promise.all([
    showUse(),
    fill(health, async () => healthOf(await get('healthz', { signal }))),
    fill(settings, () => settingsOf(signal)),
  ])
}

function useOf(store) {
  const largest = [...store.models].sort((a, b) => b.own - a.own).slice(0, MOST_BARS)
  const rest = REST.filter(([key]) => store[key]?.files > 0)
  return element(
    'div',
    { class: 'stack' },
    element('p', {}, `${bytes(store.available)} free on its disk.`),
    largest.length
      ? [
          element('h3', {}, 'What deleting a model frees'),
          histogram(
            largest.map((model) => ({
              label: element('a', { href: route(['models', model.model]) }, model.model),
              name: model.model,
              value: model.own,
              text: `${bytes(model.own)} own, ${bytes(model.shared)} shared`,
            })),
          ),
        ]
      : null,
    facts(
      rest.map(([key, name]) => [name, `${counted(store[key].files, 'file')}, ${bytes(store[key].bytes)}`]),
    ),
  )
}

function checking(body, signal) {
  const lengths = checkBox('Only look at lengths, which is quick', false)
  const start = element('button', { type: 'button', on: { click: () => check(false) } }, 'Check all files')

  async function check(repair) {
    start.disabled = true
    replace(body, lengths.node, start, element('p', { role: 'status' }, 'Checking …'))
    let result
    try {
      const report = await send(
        'POST',
        'ollamake/v1/store/fsck',
        { contents: !lengths.control.checked, repair },
        { signal },
      )
      result = checked(report, () => check(true))
      announce('The check has ended')
    } catch (error) {
      if (signal.aborted) return
      result = problem(error)
    }
    replace(body, lengths.node, start, result)
    start.disabled = false
  }

  return [lengths.node, start]
}

/** What a check has found. Nothing is changed before a person has seen that. */
function checked(report, repair) {
  const found = [
    ...report.damaged_blobs.map(({ digest, models, repaired }) => {
      const fate = repaired ? ', and was taken out' : ''
      return `Blob ${shortDigest(digest)} of ${models.join(', ') || 'no model'} is damaged${fate}`
    }),
    ...report.damaged_manifests.map(({ model, problem: reason }) => `${model}: ${reason}`),
    ...report.missing_blobs.map(({ model, digest }) => `${model} lacks blob ${shortDigest(digest)}`),
    ...report.unread.map(({ place, problem: reason }) => `${place}: ${reason}`),
    ...report.dangling.map((place) => `${place} leads nowhere`),
    ...report.foreign.map((place) => `${place} is no blob`),
  ]
  const canRepair = report.damaged_blobs.some(({ repaired }) => !repaired)
  return element(
    'div',
    { class: 'stack' },
    element(
      'p',
      { role: 'status' },
      `${counted(report.blobs, 'blob')} and ${counted(report.manifests, 'manifest')} looked at, `,
      `${bytes(report.bytes)}. `,
      report.whole ? 'The store is whole.' : 'Something is wrong.',
    ),
    found.map(warning),
    canRepair
      ? element(
          'div',
          { class: 'actions' },
          element(
            'button',
            { type: 'button', class: 'danger', on: { click: repair } },
            'Take damaged blobs out',
          ),
        )
      : null,
  )
}

function pruning(body, signal, showUse) {
  const look = element('button', { type: 'button' }, 'See what could go')
  const ask = (isDry) => send('POST', 'ollamake/v1/store/prune', { dry_run: isDry }, { signal })
  look.addEventListener('click', async () => {
    look.disabled = true
    try {
      const report = await ask(true)
      const carryOut = async () => {
        const isConfirmed = await openDialog({
          title: 'Prune the store?',
          content: element(
            'p',
            {},
            `${counted(report.blobs.length, 'blob')} that nothing needs go, `,
            `and ${bytes(report.freed)} become free.`,
          ),
          confirm: 'Prune',
          isDangerous: true,
          check: () => ask(false),
        })
        if (!isConfirmed) return
        replace(body, look, element('p', { role: 'status' }, 'Pruned.'))
        await showUse()
      }
      replace(body, look, pruned(report, carryOut))
    } catch (error) {
      if (!signal.aborted) replace(body, look, problem(error))
    }
    look.disabled = false
  })
  return look
}

function pruned(report, carryOut) {
  const list = new List({
    label: 'Blobs that would go',
    columns: [
      {
        name: 'Blob',
        isHeader: true,
        cell: (blob) => element('code', {}, shortDigest(blob.digest)),
        order: (blob) => blob.digest,
      },
      { name: 'Size', isNumber: true, cell: (blob) => bytes(blob.size), order: (blob) => blob.size },
    ],
  })
  list.show(report.blobs)
  const isEmpty = report.blobs.length === 0 && report.left_over.files === 0
  return element(
    'div',
    { class: 'stack' },
    report.unread.map(({ place, problem: reason }) =>
      warning(`${place}: ${reason}. While this cannot be understood, no blob is removed.`),
    ),
    element(
      'p',
      { role: 'status' },
      isEmpty ? 'Nothing could go.' : `${bytes(report.freed)} would become free.`,
    ),
    report.blobs.length ? list.node : null,
    isEmpty
      ? null
      : element(
          'div',
          { class: 'actions' },
          element('button', { type: 'button', class: 'danger', on: { click: carryOut } }, 'Prune …'),
        ),
  )
}

function healthOf({ status, store }) {
  const isWell = store === 'writable'
  return facts([
    ['Server', element('span', { class: 'badge good' }, status)],
    ['Store', element('span', { class: `badge ${isWell ? 'good' : 'bad'}` }, store)],
  ])
}

async function settingsOf(signal) {
  let settings
  let version
  try {
    ;({ settings, version } = await get('ollamake/v1/settings', { signal }))
  } catch (error) {
    if (error instanceof Refusal && error.status === 404)
      return warning('This server does not tell how it is set.')
    throw error
  }
  const list = new List({
    label: 'Settings',
    columns: [
      {
        name: 'Variable',
        isHeader: true,
        cell: (setting) => element('code', {}, setting.name),
        order: (setting) => setting.name,
      },
      {
        name: 'Value',
        cell: (setting) =>
          setting.value === undefined
            ? element('span', { class: 'muted' }, 'not told')
            : [setting.value].flat().join(', '),
      },
      { name: 'Unless it is set', cell: (setting) => setting.default },
      { name: 'What it means', cell: (setting) => setting.meaning },
    ],
  })
  list.show(settings)
  return element('div', { class: 'stack' }, element('p', {}, `ollamake ${version}`), list.node)
}
