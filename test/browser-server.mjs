/**
 * The endpoints that service worker tests talk to, as Koa middleware of @web/test-runner.
 *
 * Each base (`/api/loomi`, or `/loomi-<word>` so that every test may have one of its own, or `/`) serves `sw.js`
 * and `worker.js` bundled from their sources, a real heartbeat endpoint that records its beats, a stream (that of any
 * session is answered with 404 and counted), and `control`: GET tells what was received, PUT changes how the base
 * behaves ({@link defaults}).
 * `/loomi-frame` is an empty page for iframes that has `startHeartbeat`; `?csp=` sets its policy.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'
import { createRequire } from 'node:module'

// esbuild comes with the test runner's own plugin, which is the only one that names it as a dependency.
const { build } = createRequire(import.meta.resolve('@web/dev-server-esbuild'))('esbuild')

/** How a base behaves until a test says otherwise. */
const defaults = {
  /** The answer's `interval_ms`. */
  intervalMs: 100,
  /** Beats are answered with this status; others than 200 with an error. */
  status: 200,
  /** The only credential that is taken; null takes all. */
  token: null,
  /** Files that are answered with 404. */
  missing: [],
  /** Written into sw.js, so that another one is an update. */
  version: 1,
}

const bases = new Map()
const bundles = new Map()

const PATH = /^(|\/api\/loomi|\/loomi-[a-z0-9]+)\/(sw\.js|worker\.js|heartbeat|stream(?:\/.+)?|control)$/

export const middleware = [serveLoomi]

async function serveLoomi(ctx, next) {
  if (ctx.path === '/loomi-frame') return serveFrame(ctx)
  const match = PATH.exec(ctx.path)
  if (!match) return next()
  const [, path, name] = match
  if (!bases.has(path)) bases.set(path, { settings: { ...defaults }, beats: [], scripts: 0, asked: [] })
  const base = bases.get(path)
  ctx.set('cache-control', 'no-store')
  ctx.set('access-control-allow-origin', ctx.get('origin') || '*')
  ctx.set('access-control-allow-headers', 'content-type')
  if (ctx.method === 'OPTIONS') ctx.status = 204
  else if (base.settings.missing.includes(name)) {
    ctx.status = 404
    ctx.body = 'not found'
  } else if (name === 'heartbeat') await heartbeat(ctx, base)
  else if (name === 'stream') {
    ctx.type = 'text/event-stream'
    ctx.body = ': hello\n\n'
  } else if (name.startsWith('stream/')) {
    base.asked.push(name)
    ctx.status = 404
    ctx.body = 'not found'
  } else if (name === 'control') {
    if (ctx.method === 'PUT') Object.assign(base.settings, JSON.parse(await text(ctx.req)))
    ctx.body = { beats: base.beats, scripts: base.scripts, asked: base.asked }
  } else {
    base.scripts += name === 'sw.js' ? 1 : 0
    ctx.type = 'text/javascript'
    ctx.body = `${await bundle(name)}\n// ${base.settings.version}`
  }
}

async function heartbeat(ctx, { settings, beats }) {
  const body = JSON.parse(await text(ctx.req))
  const { authorization = null, origin = null, 'content-type': type } = ctx.req.headers
  const { 'loomi-heartbeat-ms': heartbeatMs = null } = ctx.req.headers
  const isLetIn = settings.token === null || authorization === `Bearer ${settings.token}`
  const status = type !== 'application/json' ? 415 : isLetIn ? settings.status : 401
  beats.push({ at: Date.now(), body, authorization, origin, heartbeatMs, status })
  const latest_event_id = 'e1-9-abcdef'
  const timestamp = new Date().toISOString()
  ctx.status = status
  ctx.body =
    status === 200
      ? { success: true, timestamp, latest_event_id, interval_ms: settings.intervalMs }
      : {
          success: false,
          error: { code: `status_${status}`, message: `Answered ${status} as the test asked.` },
        }
}

function serveFrame(ctx) {
  if (ctx.query.csp) ctx.set('content-security-policy', ctx.query.csp)
  ctx.type = 'text/html'
  ctx.body = '<!doctype html><title>frame</title><script type="module" src="/test/sw/frame.ts"></script>'
}

async function bundle(name) {
  if (!bundles.has(name)) {
    const entry = fileURLToPath(new URL(`../sw/${name.replace('.js', '.ts')}`, import.meta.url))
    bundles.set(
      name,
      build({
        entryPoints: [entry],
        bundle: true,
        write: false,
        format: 'iife',
        target: 'es2022',
        logLevel: 'silent',
      }),
    )
  }
  return (await bundles.get(name)).outputFiles[0].text
}

async function text(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
