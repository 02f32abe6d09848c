/** The demo's page: two readers of one answer, and what they got of it. */

import { agentIs, say, serverIs, wireFaults } from './faults.js'
import { Holes } from './holes.js'
import { PlainChat } from './plain-chat.js'
import { post, session, sleep, status } from './session.js'
import { Wall } from './wall.js'

const WORDS = {
  idle: 'connecting',
  connecting: 'connecting',
  replaying: 'catching up',
  live: 'live',
  waiting: 'reconnecting',
  offline: 'offline',
  complete: 'complete',
  failed: 'failed',
}
const STATUS_MS = 500
/** A log that has not grown for this long has an agent that is done. */
const QUIET_MS = 2200

const whole = document.getElementById('whole')
const plain = document.getElementById('plain')
const recovery = whole.querySelector('loomi-recovery')
const chat = new PlainChat(plain.querySelector('.chat'))
const holes = new Holes(chat)
/** Phase of each event that the left page has shown; place 0 stays empty. */
const shown = ['']
const walls = [
  new Wall(whole.querySelector('.wall'), (seq) => shown[seq] ?? ''),
  new Wall(plain.querySelector('.wall'), (seq) => holes.kindOf(seq)),
]
let source = null
let logged = 0
let grewAt = performance.now()

wireFaults()
wireQuestions()
keepEnds()
recovery.addEventListener('loomi-event', ({ cursor, phase }) => note(Number(cursor.split('-')[1]), phase))
recovery.addEventListener('loomi-reset', () => (shown.length = 1))
recovery.addEventListener('loomi-state', ({ state }) => setState(whole, state, WORDS[state]))

// The agent begins as the page opens; what it has said by then is history, which only one of the two knows of.
while (!(await post('open'))) await sleep(500)
recovery.sessionId = session
source = chat.connect(`/demo/plain/${session}`, ({ seq }) => {
  holes.take(seq)
  grow(seq)
})
source.onopen = source.onerror = showConnection
// Kept for the back button, this page would hold one of the browser's six connections to the server.
addEventListener('pagehide', () => source.close())
addEventListener('pageshow', ({ persisted }) => persisted && location.reload())
void follow()

/** The left page has shown all up to `seq`; several events of one text may come as one. */
function note(seq, phase) {
  while (shown.length <= seq) shown.push(phase)
  grow(seq)
}

function grow(seq) {
  if (seq > logged) {
    logged = seq
    grewAt = performance.now()
  }
  draw()
}

async function follow() {
  for (;;) {
    const now = await status()
    serverIs(now?.server ?? null)
    chain('server', now ? `pid ${now.server}` : 'down', now !== null)
    grow(now?.events ?? 0)
    // Nobody can see the agent while no server runs; it was writing, and writes.
    if (now) {
      const isWriting = performance.now() - grewAt < QUIET_MS
      chain('agent', isWriting ? 'writing' : 'done', isWriting)
      agentIs(isWriting)
      document.getElementById('stop').hidden = !isWriting
    }
    holes.look(logged, source.readyState === EventSource.OPEN)
    draw()
    await sleep(STATUS_MS)
  }
}

function draw() {
  for (const wall of walls) wall.draw(logged)
  const counts = { restored: 0, replay: 0, live: 0 }
  for (const phase of shown) if (phase) counts[phase]++
  score(whole, shown.length - 1, counts)
  score(plain, holes.arrived, { live: holes.arrived, missing: holes.missing })
  document.querySelector('#log output').textContent = logged
}

function score(panel, got, counts) {
  panel.querySelector('.score output').textContent = got
  panel.querySelector('.score b').textContent = logged
  for (const [kind, count] of Object.entries(counts)) {
    panel.querySelector(`.legend [data-kind="${kind}"] b`).textContent = count
  }
}

function showConnection() {
  const words = { [EventSource.OPEN]: 'connected', [EventSource.CLOSED]: 'gave up' }
  const isOpen = source.readyState === EventSource.OPEN
  setState(plain, isOpen ? 'live' : 'waiting', words[source.readyState] ?? 'disconnected')
}

function setState(panel, state, word) {
  const element = panel.querySelector('.state')
  element.dataset.state = state
  element.textContent = word
}

function chain(id, words, isWell) {
  const link = document.getElementById(id)
  link.toggleAttribute('data-well', isWell)
  const value = link.querySelector('dd')
  if (value.textContent !== words) value.textContent = words
}

function wireQuestions() {
  const form = document.getElementById('ask')
  const field = form.elements.question
  const ask = async (question) => {
    if (question.trim() === '' || (await post('ask', { question }))) return
    field.value = question
    say('No server was there to take the question. Ask again in a moment.')
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void ask(field.value)
    field.value = ''
  })
  document.getElementById('stop').addEventListener('click', async () => {
    if (await post('stop'))
      say('Stopped: the agent, another process, was told through the log. Every tab shows it.')
  })
  form.querySelector('.suggestions').addEventListener('click', ({ target }) => {
    if (target instanceof HTMLButtonElement) void ask(target.textContent)
  })
}

/** A chat whose height changes goes on showing its end. */
function keepEnds() {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) target.scrollTop = target.scrollHeight
  })
  for (const element of document.querySelectorAll('.chat')) observer.observe(element)
}
