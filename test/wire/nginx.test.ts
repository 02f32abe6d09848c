import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { FIRST_BYTE_MS } from '../../elements/client/connection.ts'
import type { Clock } from '../../elements/client/index.ts'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { Processes } from '../server/processes.ts'
import { newEvents, tempFolder } from '../server/support.ts'
import { Nginx, nginxIsMissing } from './nginx.ts'
import { USER } from './script.ts'
import { noVerdict, Truth } from './truth.ts'
import { hurriedClock, Viewer } from './viewer.ts'

/** Holds back whatever a server says: buffers larger than the whole stream, and no heed of the server's wish. */
const BUFFERS = `
  proxy_buffering on;
  proxy_buffer_size 64k;
  proxy_buffers 8 1m;
  proxy_busy_buffers_size 2m;
  proxy_ignore_headers X-Accel-Buffering;`

// A suite that is skipped is counted by nobody, a test is. The pipeline has everything: there it fails.
if (nginxIsMissing)
  it('behind nginx', { skip: process.env['CI'] !== 'true' && nginxIsMissing }, () => assert.fail('no nginx'))
else describe('behind nginx', behindNginx)

function behindNginx(): void {
  const processes = new Processes()
  const folder = tempFolder()
  const path = folder.path('log.db')
  let store: Store
  let origin: string
  let nginx: Nginx
  let viewer: Viewer
  let sessions = 0
  let ref = { sessionId: '', userId: USER }

  before(async () => {
    origin = new URL((await processes.serve(path)).base).origin.replace('localhost', '127.0.0.1')
    store = openSqlite(path)
  })
  after(async () => {
    await store.close()
    await processes.end()
    folder.remove()
  })
  beforeEach(async () => {
    ref = { sessionId: `s${++sessions}`, userId: USER }
    await store.append(ref, newEvents(1, 3))
  })
  afterEach(async () => {
    viewer.client.disconnect()
    await nginx.stop()
  })

  const open = (clock: Clock): void => {
    viewer = new Viewer({ session: ref.sessionId, way: () => ({ origin: nginx.origin }), clock })
    viewer.client.connect()
  }
  const showsAll = async (): Promise<void> => {
    const { end } = await Truth.of(store, ref)
    await viewer.until(({ position }) => position === end, 'it shows everything')
  }
  const isPoll = (url: string | undefined): boolean => url!.includes('follow=0')

  it('streams at once when the server’s wish not to be buffered is heard', async () => {
    nginx = await Nginx.start(origin, '')
    open(hurriedClock())
    await viewer.until(({ state }) => state === 'live', 'it is live')
    await store.append(ref, newEvents(4, 5))
    await showsAll()
    assert.equal(viewer.requests.length, 1)
    assert.equal(isPoll(viewer.requests[0]), false)
    assert.equal(viewer.snapshot.polling, false)
    assert.deepEqual(viewer.complaints, [])
    assert.deepEqual((await Truth.of(store, ref)).judge(viewer.shown, viewer.snapshot.items), noVerdict())
  })

  it('polls while the stream is held back, says so, and streams again when it is not', async () => {
    nginx = await Nginx.start(origin, BUFFERS)
    open(shortSilences())
    await viewer.until(({ polling }) => polling, 'it polls')
    await showsAll()
    assert.deepEqual(viewer.requests.slice(0, 3).map(isPoll), [false, false, true])
    await store.append(ref, newEvents(4, 5))
    await showsAll()
    assert.equal(viewer.snapshot.polling, true)
    assert.equal(viewer.snapshot.state, 'live')
    const told = viewer.notices.filter(({ type }) => type === 'error')
    assert.deepEqual(
      told.map((notice) => 'code' in notice && notice.code),
      ['stream_buffered'],
    )

    nginx.reload('proxy_buffering off;')
    await viewer.until(({ polling, state }) => !polling && state === 'live', 'it streams again')
    await store.append(ref, newEvents(6, 7))
    await showsAll()
    assert.equal(isPoll(viewer.requests.at(-1)), false)
    assert.equal(viewer.snapshot.polling, false)
    assert.deepEqual((await Truth.of(store, ref)).judge(viewer.shown, viewer.snapshot.items), noVerdict())
  })
}

/** A hurried clock on which also the wait for a first byte is short, so that ten seconds of silence take a moment. */
function shortSilences(): Clock {
  const hurried = hurriedClock(10)
  return {
    ...hurried,
    setTimeout: (fn, ms) => (ms === FIRST_BYTE_MS ? setTimeout(fn, 400) : hurried.setTimeout(fn, ms)),
  }
}
