/** The buttons that break things, and the one sentence that says what is broken now. */

import { post, session, sleep } from './session.js'

const OFFLINE_MS = 8000

const button = (id) => document.getElementById(id)
const note = button('note')
const INVITATION = note.textContent
const AFTERWARDS = 'The answer is over. Ask again, reload, or open a second tab: one page has it all.'
let usual = INVITATION
let isOffline = false
let isServerDown = false
let serverId = 0
let killedId = 0
let noteTimer = 0

/** Wires the buttons. */
export function wireFaults() {
  Object.defineProperty(navigator, 'onLine', { configurable: true, get: () => !isOffline })
  button('tab').href = `/#${session}`
  button('reload').addEventListener('click', () => location.reload())
  button('cut').addEventListener('click', () => void cut())
  button('offline').addEventListener('click', () => void goOffline())
  button('kill').addEventListener('click', () => void kill())
}

/** Tells the buttons which web server is there; null for none. */
export function serverIs(id) {
  // The last words of the one that is being killed do not count.
  if (id !== null && id === killedId) return
  serverId = id ?? serverId
  const isDown = id === null
  if (isServerDown === isDown) return
  isServerDown = isDown
  if (!isDown) say('The server is back. One page asks it for what came meanwhile, the other cannot.')
  refresh()
}

/** Says what to do while nothing is broken. */
export function agentIs(isWriting) {
  const before = usual
  usual = isWriting ? INVITATION : AFTERWARDS
  if (note.textContent === before && usual !== before) say(usual, 0)
}

async function cut() {
  say('Both connections were cut. Watch who comes back with everything.')
  await post('cut')
}

async function goOffline() {
  isOffline = true
  refresh()
  await post('offline', { ms: OFFLINE_MS })
  dispatchEvent(new Event('offline'))
  for (let left = OFFLINE_MS / 1000; left > 0; left--) {
    say(`This page has no network for ${left} s. The agent does not know and goes on.`, 0)
    await sleep(1000)
  }
  isOffline = false
  refresh()
  dispatchEvent(new Event('online'))
  say('Online again. Only one of the two pages asks what it has missed.')
}

async function kill() {
  killedId = serverId
  serverIs(null)
  say('The web server was killed with SIGKILL. The agent writes on; another server starts.', 0)
  await post('kill')
}

function refresh() {
  for (const id of ['cut', 'offline', 'kill']) button(id).disabled = isOffline || isServerDown
  // A page that is loaded while no server runs is the browser's own error page.
  button('reload').disabled = isServerDown
  button('tab').toggleAttribute('inert', isServerDown)
}

/** Shows a sentence for a while; with `ms` 0 until the next one. */
export function say(sentence, ms = 6000) {
  clearTimeout(noteTimer)
  note.textContent = sentence
  note.toggleAttribute('data-idle', sentence === usual)
  if (ms > 0) noteTimer = setTimeout(() => say(usual, 0), ms)
}
