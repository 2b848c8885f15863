// What others have written is text, wherever it is shown; and pages of others can do nothing.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { drop, open, quit } from './support/browser.mjs'
import { llama } from './support/gguf.mjs'
import { Server } from './support/server.mjs'
import { openView, REFUSED } from './support/views.mjs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MARKUP = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
const QUOTED = '"><svg onload=window.broken=1>'

let server
before(async () => {
  server = await Server.start()
})
after(async () => {
  await quit()
  await server.stop()
})

test('names, metadata, templates and licenses stay text', async () => {
  const extra = {
    'general.name': MARKUP,
    'general.description': QUOTED,
    [`llama.${MARKUP}`]: MARKUP,
    'tokenizer.ggml.merges': Array.from({ length: 40 }, () => MARKUP),
    'general.url': 'javascript:window.broken=1',
  }
  await server.make('hostile', llama({ extra, roles: ['attn_q', '<img src=x onerror=broken=1>'] }), {
    template: `{{ .Prompt }}${MARKUP}`,
    system: MARKUP,
    license: [QUOTED],
    parameters: { stop: [MARKUP] },
    messages: [{ role: 'user', content: MARKUP }],
  })
  const opened = await open(server, { expected: REFUSED })
  const { page } = opened
  for (const side of ['', '/metadata', '/tensors', '/texts', '/layers', '/publish']) {
    await openView(opened, `#/models/hostile${side}`, /hostile/)
    for (const details of await page.locator('main summary').all()) await details.click()
    await opened.settled()
    assert.equal(
      await page.evaluate(() => document.querySelectorAll('main img, main script, main svg[onload]').length),
      0,
      side,
    )
  }
  await openView(opened, '#/models/hostile/texts', 'hostile')
  assert.ok((await page.locator('main').innerText()).includes(MARKUP), 'it can be read')
  for (const hash of [
    `#/models/${encodeURIComponent(MARKUP)}`,
    `#/models/${encodeURIComponent(QUOTED)}/metadata`,
    `#/jobs/${encodeURIComponent(MARKUP)}`,
    `#/compare?a=${encodeURIComponent(MARKUP)}&b=${encodeURIComponent(QUOTED)}`,
    '#/%E0%A4%A',
    '#/models/a/b/c/d',
    '#//',
  ]) {
    await opened.go(hash)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await opened.settled()
  }
  assert.equal(await page.evaluate(() => window.broken), undefined)
  await opened.close()
})

test('names of files stay text, in all scripts', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'names-'))
  const names = [
    '<img src=x onerror=broken=1>.gguf',
    'модель.gguf',
    '模型 🦙.json',
    'نموذج.safetensors',
    `${'long'.repeat(50)}.gguf`,
    'quote\'s".txt',
  ]
  for (const name of names) await writeFile(join(directory, name), 'no model')
  const opened = await open(server, { hash: '#/new', expected: REFUSED })
  await opened.heading('New model')
  await drop(
    opened.page,
    names.map((name) => join(directory, name)),
  )
  await opened.page.getByRole('region', { name: 'Files' }).waitFor()
  const text = await opened.page.getByRole('region', { name: 'Files' }).innerText()
  for (const name of names) assert.ok(text.includes(name), name)
  assert.equal(await opened.page.evaluate(() => document.querySelectorAll('main img').length), 0)
  await opened.close()
})

test('a page of another origin can neither read, change, nor frame', async () => {
  await server.tiny('kept')
  const opened = await open(server)
  const page = await opened.context.newPage()
  await page.route('http://evil.example/', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>evil</title>' }),
  )
  await page.goto('http://evil.example/')
  const outcome = await page.evaluate(async (url) => {
    const attempts = [
      ['api/tags', {}],
      ['ollamake/v1/store', {}],
      ['api/delete', { method: 'DELETE', body: '{"model":"kept"}' }],
      ['api/delete', { method: 'DELETE', mode: 'no-cors', body: '{"model":"kept"}' }],
      ['api/copy', { method: 'POST', mode: 'no-cors', body: '{"source":"kept","destination":"stolen"}' }],
    ]
    const answers = []
    for (const [path, options] of attempts) {
      answers.push(
        await fetch(`${url}/${path}`, options).then(
          (response) => (response.type === 'opaque' ? 'opaque' : response.status),
          () => 'refused',
        ),
      )
    }
    const frame = document.createElement('iframe')
    frame.src = `${url}/ui/`
    document.body.append(frame)
    await new Promise((resolve) => {
      frame.onload = resolve
    })
    let inside = 'hidden'
    try {
      inside = frame.contentDocument?.title ?? 'hidden'
    } catch {
      // As it should be.
    }
    return { answers, inside }
  }, server.url)
  assert.ok(
    outcome.answers.every((answer) => ['refused', 'opaque'].includes(answer)),
    String(outcome.answers),
  )
  assert.equal(outcome.inside, 'hidden')
  assert.deepEqual(await server.models(), ['hostile:latest', 'kept:latest'])
  await opened.close()
})
