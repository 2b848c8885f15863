// What people who do not see the page are told when something happens without their doing.

const region = () => document.getElementById('announcements')

/** Tells it once; the same again is told again. */
export function announce(text) {
  region().textContent = ''
  // A region that is emptied and filled at once has not changed for those who watch it.
  requestAnimationFrame(() => {
    region().textContent = text
  })
}
