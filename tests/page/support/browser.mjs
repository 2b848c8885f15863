// A browser that is watched: whatever leaves the origin, breaks the policy or fails in a script fails the
// test.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const AXE = createRequire(import.meta.url).resolve('axe-core')

let browser

/** Opens the page of a server. `expected` are parts of complaints that the test provokes. */
export async function open(server, { hash = '', expected = [], ...options } = {}) {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: FLAGS,
  })
  const context = await browser.newContext({
    viewport: { width: 1100, height: 700 },
    acceptDownloads: true,
    ...options,
  })
  const page = await context.newPage()
  const complaints = []
  const complain = (text) => {
    if (!expected.some((part) => text.includes(part))) complaints.push(text)
  }
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${server.url}/`) && !/^(blob|data):/.test(url)) complaints.push(`request to ${url}`)
  })
  page.on('pageerror', (error) => complain(`error: ${error.message}`))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complain(`console: ${message.text()}`)
  })
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    )
  })
  await page.goto(`${server.url}/ui/${hash}`)
  return {
    page,
    context,
    heading: (name) => page.getByRole('heading', { level: 1, name }).waitFor(),
    /** Waits until the view has all that it asked for. */
    settled: () => page.locator('main:not([aria-busy])').waitFor(),
    go: (target) =>
      page.evaluate((hash) => {
        location.hash = hash
      }, target),
    /** What axe-core finds. */
    async axe() {
      await page.evaluate(await readAxe())
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }))
      return violations.map(
        ({ id, nodes }) =>
          `${id}: ${nodes
            .map(({ html }) => html)
            .slice(0, 3)
            .join(' | ')}`,
      )
    },
    async close() {
      await context.close()
      assert.deepEqual(complaints, [])
    },
  }
}

let axe
async function readAxe() {
  const { readFile } = await import('node:fs/promises')
  axe ??= await readFile(AXE, 'utf8')
  return axe
}

/** Ends the browser; the last thing that a file of tests does. */
export async function quit() {
  await browser?.close()
}

/** Drops files or folders of the disk onto the zone for them. */
export async function drop(page, paths) {
  const zone = await page.locator('.drop').boundingBox()
  const session = await page.context().newCDPSession(page)
  const data = { items: [], files: paths, dragOperationsMask: 1 }
  const [x, y] = [zone.x + zone.width / 2, zone.y + 12]
  for (const type of ['dragEnter', 'dragOver', 'drop'])
    await session.send('Input.dispatchDragEvent', { type, x, y, data })
}
