// The whole way: from a folder to a model that is looked at, compared, taken away and deleted.

import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { drop, open, quit } from './support/browser.mjs'
import { llama } from './support/gguf.mjs'
import { Server } from './support/server.mjs'
import { openView, REFUSED } from './support/views.mjs'
import { writeFile } from 'node:fs/promises'

let server
let directory
before(async () => {
  server = await Server.start()
  await server.tiny('another')
  directory = await mkdtemp(join(tmpdir(), 'way-'))
  await cp(join(process.env.EXAMPLES, 'tiny-checkpoint'), join(directory, 'My Model'), { recursive: true })
  await writeFile(join(directory, 'My Model', 'README.md'), '# A model')
})
after(async () => {
  await quit()
  await server.stop()
  await rm(directory, { recursive: true })
})

test('from a folder of a checkpoint to a file on disk', async () => {
  const opened = await open(server, { hash: '#/new', expected: REFUSED })
  const { page } = opened
  await opened.settled()
  await drop(page, [join(directory, 'My Model')])
  await page
    .getByText(/A checkpoint of LlamaForCausalLM, 1 file of weights/)
    .first()
    .waitFor()
  await page
    .getByRole('row', { name: /README.md/ })
    .getByText('left out')
    .waitFor()
  await page.getByRole('button', { name: /^Upload/ }).click()

  await opened.heading('Choose types')
  await page.getByRole('row', { name: /Q8_0/ }).getByText(/KiB/).first().waitFor()
  await page.getByLabel('Q8_0', { exact: true }).check()
  await page.getByRole('link', { name: 'See the plan' }).click()

  await opened.heading('Plan')
  const map = page.getByRole('region', { name: 'Bits per weight by layer' })
  await map.getByText('8.50').first().waitFor()
  assert.equal(await page.getByLabel('Name of the model').inputValue(), 'my-model')
  const planned = await page.locator('.facts').filter({ hasText: 'Bits per weight' }).innerText()
  assert.deepEqual(await server.models(), ['another:latest'], 'a plan makes nothing')
  await page.getByRole('button', { name: 'Make it' }).click()

  await opened.heading(/create my-model/)
  await page.reload()
  await opened.heading(/create my-model/)
  await page.getByRole('link', { name: 'See my-model:latest' }).click()

  await opened.heading('my-model:latest')
  await page.getByText('Q8_0').first().waitFor()
  await page.getByRole('link', { name: 'Tensors' }).click()
  await page.getByRole('region', { name: 'Tensors' }).getByText('token_embd.weight').waitFor()
  const { models } = JSON.parse(await server.ask('api/tags'))
  const { size } = models.find(({ name }) => name === 'my-model:latest')
  assert.ok(planned.includes(`${Math.round(size / 1024)} KiB`), `${planned} and ${size} bytes`)

  await opened.go('#/compare')
  await opened.settled()
  await page.getByLabel('One model').selectOption('another:latest')
  await page.getByLabel('The other').selectOption('my-model:latest')
  await page.getByRole('button', { name: 'Compare' }).click()
  await page.getByText(/tensors? of \d+ differ/).waitFor()
  await page.getByRole('region', { name: 'Tensors of both' }).getByText(/Q8_0/).first().waitFor()

  await openView(opened, '#/models/my-model%3Alatest/publish', /Publish/)
  const downloading = page.waitForEvent('download')
  await page.getByRole('link', { name: /Download GGUF/ }).click()
  const download = await downloading
  assert.equal(download.suggestedFilename(), 'my-model-latest.gguf')
  const taken = await readFile(await download.path())
  const stored = Buffer.from(
    await (await fetch(`${server.url}/ollamake/v1/models/my-model/file`)).arrayBuffer(),
  )
  assert.ok(taken.equals(stored), 'byte by byte')

  await openView(opened, '#/models', 'Models')
  await page.getByRole('button', { name: 'Delete my-model:latest' }).click()
  await page.getByText(/This frees/).waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('link', { name: 'my-model:latest' }).waitFor({ state: 'detached' })
  assert.deepEqual(await server.models(), ['another:latest'])
  await opened.close()
})

test('several types at once', async () => {
  const opened = await open(server, { hash: '#/new?from=another', expected: REFUSED })
  const { page } = opened
  await opened.heading('Choose types')
  await opened.settled()
  for (const type of ['Q4_K_M', 'Q6_K']) await page.getByLabel(type, { exact: true }).check()
  await page.getByRole('link', { name: 'See the plan' }).click()
  await page.getByLabel('Name of the model').fill('several')
  await page.getByLabel('Name of the model').blur()
  await page.getByLabel('Model', { exact: true }).selectOption('1')
  await page.getByRole('button', { name: 'Make it' }).click()
  await page.getByText('Done.').waitFor()
  const made = await server.models()
  for (const name of ['several:q4_k_m', 'several:q6_k'])
    assert.ok(made.includes(name), `${name} among ${made}`)
  await opened.close()
})

test('errors are measured on request', async () => {
  const opened = await open(server, { hash: '#/new?from=another', expected: REFUSED })
  const { page } = opened
  await opened.heading('Choose types')
  await opened.settled()
  for (const type of ['Q4_K_M', 'Q8_0']) await page.getByLabel(type, { exact: true }).check()
  await page.getByRole('button', { name: 'Measure the errors' }).click()
  await page.getByRole('img', { name: /Error of each type against its size/ }).waitFor({ timeout: 60_000 })
  for (const type of ['Q4_K_M', 'Q8_0']) {
    await page
      .getByRole('row', { name: new RegExp(type) })
      .getByText(/\d %/)
      .waitFor()
  }
  await opened.close()
})

test('types by pattern change the total, and are saved and loaded', async () => {
  const opened = await open(server, { hash: '#/new?from=another', expected: REFUSED })
  const { page } = opened
  await opened.heading('Choose types')
  await opened.settled()
  await page.getByLabel('Q4_K_M', { exact: true }).check()
  const total = page.getByText(/^Q4_K_M: /)
  const before = await total.innerText()
  await page.getByRole('button', { name: 'Add a pattern' }).click()
  await page.getByRole('textbox', { name: 'Pattern' }).fill('ffn_up')
  await page.getByLabel('Type', { exact: true }).fill('q8_0')
  await page.waitForFunction(
    (text) => ![...document.querySelectorAll('p')].some((node) => node.textContent === text),
    before,
  )
  const saving = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Save this recipe' }).click()
  const path = await (await saving).path()
  assert.deepEqual(JSON.parse(await readFile(path, 'utf8')), { tensor_types: [['ffn_up', 'q8_0']] })
  await page.getByRole('button', { name: 'Remove pattern' }).click()
  await page
    .locator('#load-recipe')
    .setInputFiles({ name: 'recipe.json', mimeType: 'application/json', buffer: await readFile(path) })
  assert.equal(await page.getByRole('textbox', { name: 'Pattern' }).inputValue(), 'ffn_up')
  await opened.close()
})

test('an upload goes on after a reload, where it was', async () => {
  const path = join(directory, 'large.gguf')
  await writeFile(path, Buffer.concat([llama(), Buffer.alloc(24 << 20)]))
  const opened = await open(server, { hash: '#/new', expected: [...REFUSED, 'ERR_'] })
  const { page } = opened
  await opened.settled()
  const session = await opened.context.newCDPSession(page)
  const slow = (bytes) =>
    session.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: bytes,
    })
  await session.send('Network.enable')
  await slow(4 << 20)
  await drop(page, [path])
  await page.getByRole('button', { name: /^Upload/ }).click()
  await page.getByText(/MiB\/s/).waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText(/paused/).waitFor()
  await page.getByRole('button', { name: 'Go on' }).click()
  await page.getByText(/^[5-9].* MiB of/).waitFor()
  await page.reload()
  await page.getByText('were on their way when this page was closed').waitFor()
  await slow(-1)
  const offsets = []
  page.on('request', (request) => {
    if (request.method() === 'PATCH') offsets.push(Number(request.headers()['upload-offset']))
  })
  await drop(page, [path])
  await page.getByRole('button', { name: /^Upload/ }).click()
  await opened.heading('Choose types')
  assert.ok(offsets[0] > 0, `it began at ${offsets}`)
  await opened.close()
})
