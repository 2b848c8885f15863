// What a model is, in short.

import { element } from '../../core/dom.js'
import { integer, moment } from '../../core/format.js'
import { route } from '../../core/router.js'
import { facts } from '../../widgets/facts.js'

export async function overview({ model, content }) {
  const shown = await model.shown()
  const { details, model_info: info } = shown
  const architecture = info['general.architecture']
  const stated = (key) => info[`${architecture}.${key}`]
  const number = (value) => (typeof value === 'number' ? integer(value) : null)
  content.append(
    element(
      'div',
      { class: 'columns' },
      element(
        'section',
        { class: 'panel' },
        element('h2', {}, 'Model'),
        facts([
          ['Architecture', architecture],
          ['Type', details.quantization_level],
          ['Parameters', number(info['general.parameter_count'])],
          ['Format', details.format],
          ['Can do', (shown.capabilities ?? []).join(', ')],
          ['Changed', moment(shown.modified_at)],
          ['Made from', details.parent_model],
          ['Renderer', shown.renderer],
          ['Parser', shown.parser],
          ['Remote', shown.remote_host && `${shown.remote_model} at ${shown.remote_host}`],
        ]),
      ),
      element(
        'section',
        { class: 'panel' },
        element('h2', {}, 'Dimensions'),
        facts([
          ['Layers', number(stated('block_count'))],
          ['Context', number(stated('context_length'))],
          ['Embedding', number(stated('embedding_length'))],
          ['Feed forward', number(stated('feed_forward_length'))],
          ['Heads', number(stated('attention.head_count'))],
          ['Key and value heads', number(stated('attention.head_count_kv'))],
          ['Experts', number(stated('expert_count'))],
          ['Vocabulary', number(stated('vocab_size'))],
        ]),
      ),
    ),
    element(
      'div',
      { class: 'actions' },
      element('a', { class: 'button', href: route(['new'], { from: model.name }) }, 'Quantize or change'),
      element('a', { class: 'button', href: route(['compare'], { a: model.name }) }, 'Compare with another'),
    ),
  )
}
