/**
 * An app as a user would write it, for the end-to-end tests: one page, one route, the beats it got.
 *
 *     node test/e2e/app-server.ts PORT STORE [heartbeatMs]
 */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createLoomi } from '../../dist/server/index.js'

const [port, store, heartbeatMs = '5000'] = process.argv.slice(2)
const beats: unknown[] = []
/** How many streams were asked for that stay open. */
let streams = 0
const loomi = createLoomi({ store: store!, heartbeatMs: Number(heartbeatMs) })
const app = new Hono()

app.use('/api/loomi/heartbeat', async (c, next) => {
  const body: unknown = await c.req.raw.clone().json()
  beats.push({ at: Date.now(), ...(body as object) })
  await next()
})
app.use('/api/loomi/stream/*', async (c, next) => {
  if (c.req.query('follow') !== '0') streams++
  await next()
})
app.route('/api/loomi', loomi.routes)
app.get('/streams', (c) => c.json(streams))
app.get('/beats', (c) => c.json(beats))
app.post('/stop/:session', async (c) => {
  await loomi.stop(c.req.param('session'))
  return c.body(null, 204)
})
app.post('/speak/:session', (c) => {
  const session = loomi.session({ sessionId: c.req.param('session'), userId: 'ada' })
  let left = Number(c.req.query('words'))
  const timer = setInterval(() => {
    session.message(`word ${left} `, { part: 'm', done: left === 1 })
    if (--left > 0) return
    clearInterval(timer)
    void session.end()
  }, 50)
  return c.body(null, 204)
})
app.get('/blank', (c) => c.html('<!doctype html><title>blank</title>'))
app.get('/globals/:session', (c) =>
  c.html(`<!doctype html><title>globals</title>
<script src="/api/loomi/loomi-recovery.js"></script>
<script>
    window.userId = 'ada';
    window.sessionId = '${encodeURIComponent(c.req.param('session'))}';
</script>`),
)
app.get('/chat/:session', (c) => {
  const attributes = c.req.query('attributes') ?? ''
  return c.html(`<!doctype html><title>chat</title>
<script>
  window.log = { events: [], replays: [], pills: [] }
  const watchPill = () => {
    const words = document.querySelector('loomi-recovery')?.shadowRoot?.querySelector('[part~="indicator-label"]')?.textContent.trim() ?? ''
    if (words !== log.pills.at(-1)) log.pills.push(words)
    requestAnimationFrame(watchPill)
  }
  watchPill()
  addEventListener('loomi-event', (e) => log.events.push({ cursor: e.cursor, phase: e.phase }))
  addEventListener('loomi-replay', (e) => log.replays.push({ phase: e.phase, missed: e.missed }))
</script>
<script type="module" src="/api/loomi/loomi-recovery.js"></script>
<loomi-recovery session-id="${encodeURIComponent(c.req.param('session'))}" user-id="ada" ${attributes}></loomi-recovery>`)
})

const server = serve({ fetch: app.fetch, port: Number(port), hostname: '127.0.0.1' }, (info) => {
  process.send?.({ port: info.port })
})
process.on('SIGTERM', () => {
  server.close()
  void loomi.close().then(() => process.exit(0))
})
