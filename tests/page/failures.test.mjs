// What goes wrong is told, where, and what can be done about it; and then it goes on.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, open as openFile, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { drop, open, quit } from './support/browser.mjs'
import { llama } from './support/gguf.mjs'
import { Server } from './support/server.mjs'
import { openView, REFUSED } from './support/views.mjs'

const KEY = 'correct-horse'

let directory
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'failures-'))
})
after(async () => {
  await quit()
  await rm(directory, { recursive: true, force: true })
})

async function withServer(options, run) {
  const server = await Server.start(options)
  try {
    await run(server)
  } finally {
    await server.stop()
  }
}

test('wrong files are told before anything is sent', () =>
  withServer({}, async (server) => {
    const file = async (name, content) => {
      await mkdir(join(directory, name, '..'), { recursive: true })
      await writeFile(join(directory, name), content)
      return join(directory, name)
    }
    const checkpoint = join(process.env.EXAMPLES, 'tiny-checkpoint')
    const weights = await readFile(join(checkpoint, 'model.safetensors'))
    await cp(checkpoint, join(directory, 'a-model'), { recursive: true })
    await file('cut/config.json', await readFile(join(checkpoint, 'config.json')))
    await file('cut/model.safetensors', weights.subarray(0, weights.length / 2))
    await file('shards/config.json', await readFile(join(checkpoint, 'config.json')))
    await file('shards/model-00001-of-00002.safetensors', weights)
    await file('pickled/config.json', await readFile(join(checkpoint, 'config.json')))
    await file('pickled/pytorch_model.bin', 'PK')
    await mkdir(join(directory, 'empty'))
    const cases = [
      [[await file('notes.txt', 'no model')], /Nothing that a model could be made from/],
      [[await file('damaged.gguf', 'GGUX')], /damaged\.gguf: (it is cut off|it does not begin)/],
      [[await file('short.gguf', llama().subarray(0, 200))], /cut off in its header/],
      [[join(directory, 'cut')], /it is cut off: tensors lie beyond its end/],
      [[join(directory, 'shards')], /Missing: .*model-00002-of-00002\.safetensors/],
      [[join(directory, 'pickled')], /save them as safetensors/],
      [[join(directory, 'empty')], /No files/],
      [
        [await file('one.gguf', llama()), await file('two.gguf', llama({ layers: 1 }))],
        /models of their own; take one/,
      ],
    ]
    const opened = await open(server, { hash: '#/new', expected: REFUSED })
    const { page } = opened
    await opened.settled()
    const sent = []
    page.on('request', (request) => request.method() === 'POST' && sent.push(request.url()))
    for (const [paths, says] of cases) {
      await drop(page, paths)
      await page.getByText(says).first().waitFor({ timeout: 10_000 })
      assert.ok(await page.getByRole('button', { name: /^Upload/ }).isDisabled(), String(says))
    }
    await drop(page, [join(directory, 'a-model'), join(directory, 'cut')])
    await page.getByText(/Several folders were given/).waitFor()
    await page
      .getByText(/A checkpoint of/)
      .first()
      .waitFor()
    await page.getByLabel(/Several folders/).selectOption('cut')
    await page
      .getByText(/it is cut off/)
      .first()
      .waitFor()
    assert.deepEqual(sent, [])
    await opened.close()
  }))

test('10,000 files at once', () =>
  withServer({}, async (server) => {
    const folder = join(directory, 'many')
    await mkdir(folder)
    for (let index = 0; index < 10_000; index += 1) await writeFile(join(folder, `${index}.json`), '{}')
    const opened = await open(server, { hash: '#/new', expected: REFUSED })
    await opened.settled()
    await drop(opened.page, [folder])
    await opened.page.getByText(/10,000 files are more than a model may have/).waitFor({ timeout: 60_000 })
    await rm(folder, { recursive: true })
    await opened.close()
  }))

test('a file that is larger than the disk is not sent', () =>
  withServer({}, async (server) => {
    const path = join(directory, 'huge.gguf')
    const file = await openFile(path, 'w')
    await file.write(llama())
    await file.truncate(4e12)
    await file.close()
    const opened = await open(server, { hash: '#/new', expected: REFUSED })
    await opened.settled()
    await drop(opened.page, [path])
    await opened.page.getByText(/and the disk of the server has .* left/).waitFor()
    assert.ok(await opened.page.getByRole('button', { name: /^Upload/ }).isDisabled())
    await rm(path)
    await opened.close()
  }))

test('a disk that becomes full', async (context) => {
  const mount = join(directory, 'small')
  await mkdir(mount)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount], { stdio: 'ignore' })
  } catch {
    return context.skip('no file system can be mounted here')
  }
  try {
    await withServer({ store: mount }, async (server) => {
      const path = join(directory, 'filling.gguf')
      await writeFile(path, Buffer.concat([llama(), Buffer.alloc(18 << 20)]))
      const opened = await open(server, { hash: '#/new', expected: ['status of 507', 'ERR_', ...REFUSED] })
      await opened.settled()
      await drop(opened.page, [path])
      const begin = opened.page.getByRole('button', { name: /^Upload/ })
      await begin.waitFor()
      // Somebody else is faster.
      await writeFile(join(mount, 'ballast'), Buffer.alloc(16 << 20))
      await begin.click()
      await opened.page.getByText(/filling\.gguf: .*(space|full|room)/i).waitFor({ timeout: 60_000 })
      await rm(join(mount, 'ballast'))
      await opened.page.getByRole('button', { name: 'Go on' }).click()
      await opened.heading('Choose types')
      await opened.close()
    })
  } finally {
    execFileSync('umount', [mount])
  }
})

test('the server goes and comes back', () =>
  withServer({}, async (server) => {
    await server.tiny('mine')
    const opened = await open(server, { expected: ['ERR_', 'status of'] })
    const { page } = opened
    await openView(opened, '#/models', 'Models')
    await server.kill()
    await opened.go('#/models/mine')
    await page.getByText('The server does not answer.').waitFor()
    await server.again()
    await page.getByText('The server does not answer.').waitFor({ state: 'hidden' })
    await page.getByText('llama', { exact: true }).waitFor()
    // Nothing is done twice: what changes something is sent once, and its failure is told.
    await openView(opened, '#/models', 'Models')
    await server.kill()
    await page.getByRole('button', { name: 'Copy mine:latest' }).click()
    await page.getByLabel('New name').fill('copied')
    await page.getByRole('dialog').getByRole('button', { name: 'Copy' }).click()
    await page.getByText('the server does not answer', { exact: true }).waitFor()
    await server.again()
    await page.getByText('The server does not answer.').waitFor({ state: 'hidden' })
    assert.deepEqual(await server.models(), ['mine:latest'])
    await page.getByRole('dialog').getByRole('button', { name: 'Copy' }).click()
    await page.getByRole('link', { name: 'copied:latest' }).waitFor()
    await opened.close()
  }))

test('a job outlives the server, and the page finds it again', () =>
  withServer({}, async (server) => {
    await server.make('large', llama({ layers: 24, width: 512, isNoise: true }))
    const opened = await open(server, { hash: '#/new?from=large', expected: ['ERR_', ...REFUSED] })
    const { page } = opened
    await opened.heading('Choose types')
    await page.getByLabel('IQ4_XS', { exact: true }).check()
    await page.getByRole('link', { name: 'See the plan' }).click()
    await page.getByLabel('Name of the model').fill('outliving')
    await page.getByLabel('Name of the model').blur()
    await page.getByRole('button', { name: 'Make it' }).click()
    await page
      .getByText(/quantizing F32 model to IQ4_XS/)
      .first()
      .waitFor()
    await server.kill()
    await page.getByText('The server does not answer.').waitFor()
    await server.again()
    await page.getByRole('link', { name: 'See outliving:latest' }).waitFor({ timeout: 180_000 })
    await openView(opened, '#/jobs', 'Jobs')
    await page.getByRole('link', { name: 'create outliving:latest' }).waitFor()
    await opened.close()
  }))

test('a job is stopped', () =>
  withServer({}, async (server) => {
    await server.make('large', llama({ layers: 24, width: 512, isNoise: true }))
    const request = { model: 'never', from: 'large', quantize: 'iq4_xs', detach: true }
    const { job } = JSON.parse(await server.ask('api/create', request))
    const opened = await open(server, { hash: `#/jobs/${job}`, expected: REFUSED })
    await opened.page.getByRole('button', { name: 'Stop' }).click()
    await opened.page.getByText('stopped', { exact: true }).waitFor()
    assert.deepEqual(await server.models(), ['large:latest'])
    await opened.page.getByRole('button', { name: 'Forget' }).click()
    await opened.heading('Jobs')
    await opened.close()
  }))

test('a push to where no registry is', () =>
  withServer({}, async (server) => {
    await server.tiny('mine')
    const opened = await open(server, { hash: '#/models/mine/publish', expected: REFUSED })
    const { page } = opened
    await opened.settled()
    await page.getByLabel('Name in the registry').fill('127.0.0.1:1/team/mine')
    await page.getByLabel('The registry speaks HTTP').check()
    await page.getByRole('button', { name: 'Push' }).click()
    await opened.heading(/push 127\.0\.0\.1:1/)
    await page.getByText('failed', { exact: true }).waitFor({ timeout: 60_000 })
    await page
      .getByText(/registry 127\.0\.0\.1:1 cannot be reached/)
      .first()
      .waitFor()
    await opened.close()
  }))

test('a damaged model is marked, and found by a check', () =>
  withServer({}, async (server) => {
    const digest = await server.tiny('broken')
    await rm(join(server.directory, 'blobs', digest.replace(':', '-')))
    const opened = await open(server, { expected: ['status of', ...REFUSED] })
    const { page } = opened
    await page
      .getByRole('row', { name: /broken:latest/ })
      .getByText('damaged', { exact: true })
      .waitFor()
    await openView(opened, '#/store', 'Store')
    await page.getByRole('button', { name: 'Check all files' }).click()
    await page.getByText(/broken:latest lacks blob/).waitFor()
    await opened.close()
  }))

test('the key is asked for, and kept for the session only', () =>
  withServer({ environment: { OLLAMAKE_API_KEY: KEY } }, async (server) => {
    const headers = { authorization: `Bearer ${KEY}` }
    const bytes = llama()
    const digest = await server.upload(bytes, headers)
    await server.ask(
      'api/create',
      { model: 'locked', files: { 'model.gguf': digest }, stream: false },
      headers,
    )
    const opened = await open(server, { expected: ['status of 401', ...REFUSED] })
    const { page } = opened
    const dialog = page.getByRole('dialog', { name: 'Key of the server' })
    await dialog.waitFor()
    await page.keyboard.press('Escape')
    await dialog.getByLabel('Key').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('The server did not accept this key.').waitFor()
    await dialog.getByLabel('Key').fill(KEY)
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'locked:latest' }).waitFor()
    await page.reload()
    await page.getByRole('link', { name: 'locked:latest' }).waitFor()
    const kept = await page.evaluate(() => [JSON.stringify({ ...localStorage }), document.cookie].join())
    assert.ok(!kept.includes(KEY), 'nothing outlives the session')

    await openView(opened, '#/models/locked/publish', /Publish/)
    const downloading = page.waitForEvent('download')
    await page.getByRole('link', { name: /Download GGUF/ }).click()
    const download = await downloading
    assert.ok((await readFile(await download.path())).equals(bytes), 'a link brings the file without the key')
    assert.ok(!download.url().includes(KEY))

    // Another tab is another session.
    const other = await opened.context.newPage()
    await other.goto(`${server.url}/ui/`)
    await other.getByRole('dialog', { name: 'Key of the server' }).waitFor()
    await opened.close()
  }))
