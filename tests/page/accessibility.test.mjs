// Everybody can use it: nothing for axe-core to find, all by keyboard, nothing cut off on narrow screens.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { open, quit } from './support/browser.mjs'
import { Server } from './support/server.mjs'
import { fill, openView, REFUSED, views } from './support/views.mjs'

let server
before(async () => {
  server = await Server.start()
  await fill(server)
})
after(async () => {
  await quit()
  await server.stop()
})

for (const colorScheme of ['light', 'dark']) {
  test(`axe-core finds nothing, ${colorScheme}`, async () => {
    const opened = await open(server, { colorScheme, expected: REFUSED })
    for (const [name, hash, heading] of await views(server)) {
      await openView(opened, hash, heading)
      assert.deepEqual(await opened.axe(), [], name)
    }
    await openView(opened, '#/models', 'Models')
    await opened.page.getByRole('button', { name: 'Delete mine:q8' }).click()
    await opened.page.getByRole('dialog').waitFor()
    assert.deepEqual(await opened.axe(), [], 'a dialog')
    await opened.close()
  })
}

test('nothing is cut off at 320 pixels', async () => {
  const opened = await open(server, { viewport: { width: 320, height: 640 }, expected: REFUSED })
  for (const [name, hash, heading] of await views(server)) {
    await openView(opened, hash, heading)
    const cut = await opened.page.evaluate(() => {
      // What can be scrolled is not cut off; what is for readers of screens alone is meant to be.
      const hides = (node) => getComputedStyle(node).overflowX === 'hidden' && !node.closest('.unseen')
      const wide = [...document.querySelectorAll('body *')].filter(
        (node) => hides(node) && node.scrollWidth > node.clientWidth + 1,
      )
      const page = document.documentElement
      return [
        page.scrollWidth > page.clientWidth ? `page: ${page.scrollWidth}` : '',
        ...wide.map((node) => node.outerHTML.slice(0, 80)),
      ].filter(Boolean)
    })
    assert.deepEqual(cut, [], name)
  }
  await opened.close()
})

test('every action by keyboard', async () => {
  const opened = await open(server, { expected: REFUSED })
  for (const [name, hash, heading] of await views(server)) {
    await openView(opened, hash, heading)
    const controls = await opened.page.evaluate(
      () =>
        [
          ...document.querySelectorAll(
            'main a, main button, main select, main textarea, main input:not(.unseen), main summary',
          ),
        ].filter(
          (node) =>
            !node.disabled && node.checkVisibility() && !node.closest('details:not([open]) > :not(summary)'),
        ).length,
    )
    await opened.page.evaluate(() => document.querySelector('h1').focus())
    const reached = new Set()
    for (let presses = 0; presses < controls * 2 + 10; presses += 1) {
      await opened.page.keyboard.press('Tab')
      const key = await opened.page.evaluate(() => {
        const node = document.activeElement
        if (!node?.closest('main') || !node.matches('a, button, select, textarea, input, summary'))
          return null
        node.dataset.reached = 'yes'
        // Who does not see where the focus is cannot use it.
        if (!['auto', 'solid'].includes(getComputedStyle(node).outlineStyle)) return 'invisible'
        return [...document.querySelectorAll('*')].indexOf(node)
      })
      assert.notEqual(key, 'invisible', `${name}: the focus cannot be seen`)
      if (key !== null) reached.add(key)
      if (reached.size >= controls) break
    }
    assert.ok(reached.size >= controls, `${name}: ${reached.size} of ${controls} controls are reached`)
  }
  await opened.close()
})

test('a model is renamed and deleted without a mouse', async () => {
  await server.ask('api/copy', { source: 'mine', destination: 'passing' })
  const opened = await open(server, { expected: REFUSED })
  const { page } = opened
  await opened.heading('Models')
  await page.getByRole('button', { name: 'Rename passing:latest' }).focus()
  await page.keyboard.press('Enter')
  await page.getByLabel('New name').waitFor()
  await page.keyboard.press('Control+A')
  await page.keyboard.type('gone')
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'gone:latest' }).waitFor()
  await page.getByRole('button', { name: 'Delete gone:latest' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).waitFor()
  await page.keyboard.press('Escape')
  assert.ok((await server.models()).includes('gone:latest'), 'Escape means no')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'gone:latest' }).waitFor({ state: 'detached' })
  assert.ok(!(await server.models()).includes('gone:latest'))
  assert.ok(
    await page.evaluate(() => document.activeElement.closest('.list') !== null),
    'the focus stays there',
  )
  await opened.close()
})

test('screenshots', { skip: !process.env.OLLAMAKE_REWRITE_DOCS }, async () => {
  await mkdir(process.env.SCREENSHOTS, { recursive: true })
  const opened = await open(server, { viewport: { width: 960, height: 620 }, expected: REFUSED })
  const { page } = opened
  for (const [name, hash, heading] of await views(server)) {
    await openView(opened, hash, heading)
    // One side of a model stands for the others.
    if (name.startsWith('inspect-') && name !== 'inspect-tensors') continue
    if (name === 'choose') await chooseFor(opened)
    if (name === 'plan') await page.getByText('Bits per weight by layer').scrollIntoViewIfNeeded()
    await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`) })
  }
  await opened.close()
})

/**
 * Leaves the view of types as somebody does who has looked around in it; that of the plan follows from it.
 */
async function chooseFor({ page }) {
  await page.getByLabel('Memory that it shall fit into').fill('0.0045')
  await page.getByLabel('Q4_K_M', { exact: true }).check()
  await page.evaluate(() => scrollTo(0, 0))
}
