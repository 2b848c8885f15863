// Starts the page.

import { Router } from './core/router.js'
import * as choose from './views/choose.js'
import * as compare from './views/compare.js'
import * as create from './views/new.js'
import * as inspect from './views/inspect.js'
import * as job from './views/job.js'
import * as jobs from './views/jobs.js'
import * as models from './views/models.js'
import * as plan from './views/plan.js'
import * as publish from './views/publish.js'
import * as store from './views/store.js'

document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault()
  document.getElementById('main').focus()
})

// What is dropped beside the zone would be opened in place of the page.
for (const type of ['dragover', 'drop']) addEventListener(type, (event) => event.preventDefault())

new Router(document.getElementById('main'), {
  models,
  'models/:name': inspect,
  'models/:name/publish': publish,
  'models/:name/:side': inspect,
  new: create,
  'new/types': choose,
  'new/plan': plan,
  jobs,
  'jobs/:id': job,
  compare,
  store,
}).start()
