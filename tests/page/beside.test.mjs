// Files beside the server as a source, where the operator allows it.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { open, quit } from './support/browser.mjs'
import { Server } from './support/server.mjs'
import { REFUSED } from './support/views.mjs'

const HEADING = { name: 'From files beside the server' }

after(quit)

test('a directory beside the server is a source', async () => {
  const examples = process.env.EXAMPLES
  const server = await Server.start({ environment: { OLLAMAKE_IMPORT_DIRS: examples } })
  const opened = await open(server, { hash: '#/new', expected: REFUSED })
  const { page } = opened
  await opened.settled()
  await page.getByRole('heading', HEADING).waitFor()
  const path = page.getByLabel('Path')
  assert.equal(await page.locator('#beside-server option').first().getAttribute('value'), examples)
  await path.fill(`${examples}/`)
  await page.locator(`#beside-server option[value="${examples}/tiny-checkpoint/"]`).waitFor({ state: 'attached' })
  await path.fill(join(examples, 'tiny-checkpoint'))
  await page.getByRole('button', { name: 'Use these files' }).click()
  await opened.heading('Choose types')
  await page.getByRole('row', { name: /Q8_0/ }).getByText(/KiB/).first().waitFor()
  assert.deepEqual(await server.models(), [])
  await opened.close()
  await server.stop()
})

test('there is nothing of it where nothing is allowed', async () => {
  const server = await Server.start()
  const opened = await open(server, { hash: '#/new', expected: REFUSED })
  await opened.settled()
  assert.equal(await opened.page.getByRole('heading', HEADING).count(), 0)
  await opened.close()
  await server.stop()
})
