// Points in a plane. Beside a plot there is always a table with the same numbers, for those who cannot see
// it.

import { graphic } from '../core/dom.js'

const WIDEST = 640
const HEIGHT = 320
const MARGIN = { top: 14, right: 16, bottom: 30, left: 64 }
const TICKS = 5

/**
 * `points` are `{ x, y, label, isChosen }`; `x` and `y` word their values. The vertical axis is logarithmic,
 * since errors differ by orders of magnitude. `limit` is a value of x that should not be exceeded. With
 * `isCrowded` only those that are pointed at have their names shown.
 */
export function scatter({ points, label, x, y, isLogX = false, limit = null, isCrowded = false }) {
  // Drawn as wide as there is room, so that its texts are as large as others.
  const width = Math.min(WIDEST, document.documentElement.clientWidth - MARGIN.left)
  const across = scale(
    points.map((point) => point.x).concat(limit ?? []),
    isLogX,
    MARGIN.left,
    width - MARGIN.right,
  )
  const up = scale(
    points.map((point) => point.y),
    true,
    HEIGHT - MARGIN.bottom,
    MARGIN.top,
  )
  return graphic(
    'svg',
    { class: 'plot', viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': label },
    across.ticks.map((value) => tick(across.at(value), HEIGHT - MARGIN.bottom + 16, x(value), 'middle')),
    up.ticks.map((value) => [
      graphic('line', {
        class: 'axis',
        x1: MARGIN.left,
        x2: width - MARGIN.right,
        y1: up.at(value),
        y2: up.at(value),
      }),
      tick(MARGIN.left - 6, up.at(value) + 4, y(value), 'end'),
    ]),
    limit === null
      ? null
      : graphic('line', {
          class: 'limit',
          x1: across.at(limit),
          x2: across.at(limit),
          y1: MARGIN.top,
          y2: HEIGHT - MARGIN.bottom,
        }),
    points.map((point) =>
      graphic(
        'g',
        { class: point.isChosen ? 'chosen' : null },
        graphic('title', {}, `${point.label}: ${x(point.x)}, ${y(point.y)}`),
        graphic('circle', { cx: across.at(point.x), cy: up.at(point.y), r: isCrowded ? 2.5 : 4 }),
        isCrowded ? null : graphic('text', { x: across.at(point.x) + 7, y: up.at(point.y) + 4 }, point.label),
      ),
    ),
  )
}

function tick(x, y, text, anchor) {
  return graphic('text', { class: 'tick', x, y, 'text-anchor': anchor }, text)
}

function scale(values, isLogarithmic, from, to) {
  const bend = isLogarithmic ? (value) => Math.log(Math.max(value, Number.MIN_VALUE)) : (value) => value
  const straighten = isLogarithmic ? Math.exp : (value) => value
  const [least, most] = [Math.min(...values.map(bend)), Math.max(...values.map(bend))]
  // A little room on both sides, so that no point lies on the edge.
  const room = (most - least || Math.abs(most) || 1) * 0.06
  const [low, high] = [least - room, most + room]
  return {
    at: (value) => Number((from + ((bend(value) - low) / (high - low)) * (to - from)).toFixed(1)),
    ticks: Array.from({ length: TICKS }, (_, index) =>
      straighten(least + ((most - least) * index) / (TICKS - 1)),
    ),
  }
}
