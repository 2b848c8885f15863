// The registry that several servers share as their library, beside the models that are here.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { open, quit } from './support/browser.mjs'
import { Server } from './support/server.mjs'

const CHECK_BOX = 'With those of the library'

after(quit)

test('models of the library stand beside those that are here', async () => {
  const shelf = await Server.start()
  await shelf.tiny('team/shelved')
  const server = await Server.start({ environment: { OLLAMAKE_LIBRARY: `${shelf.url}/team` } })
  await server.tiny('own')
  const opened = await open(server, { hash: '#/models' })
  const { page } = opened
  await opened.settled()
  await page.getByRole('link', { name: 'own:latest' }).waitFor()
  const shelved = page.getByRole('row', { name: /shelved/ })
  assert.equal(await shelved.count(), 0)
  await page.getByLabel(CHECK_BOX).check()
  await shelved.getByText('in the library only').waitFor()
  await page.getByLabel(CHECK_BOX).uncheck()
  await shelved.waitFor({ state: 'detached' })
  await opened.close()
  await server.stop()
  await shelf.stop()
})

test('without a library there is nothing to choose', async () => {
  const server = await Server.start()
  const opened = await open(server, { hash: '#/models' })
  await opened.settled()
  assert.equal(await opened.page.getByLabel(CHECK_BOX).isVisible(), false)
  await opened.close()
  await server.stop()
})
