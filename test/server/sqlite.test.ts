import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { LoomiError } from '../../server/errors.ts'
import { openStore } from '../../server/stores/open.ts'
import { STEPS } from '../../server/stores/sqlite-schema.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { newEvent, newEvents, REF, rowsOf, tempFolder, until } from './support.ts'

const CHILD = fileURLToPath(new URL('append-loop.ts', import.meta.url))

describe('the SQLite store', () => {
  const folder = tempFolder()
  const children: ChildProcess[] = []
  let files = 0
  const newFile = (): string => folder.path(`log-${++files}.db`)
  after(() => {
    for (const child of children) child.kill('SIGKILL')
    folder.remove()
  })

  /** Starts another process on a file; `acknowledged` grows with what it prints. */
  function start(...args: string[]): { child: ChildProcess; lines: string[]; ended: Promise<number | null> } {
    const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    const lines: string[] = []
    let rest = ''
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const all = (rest + text).split('\n')
      rest = all.pop()!
      lines.push(...all)
    })
    return { child, lines, ended: new Promise((resolve) => child.on('close', resolve)) }
  }

  it('lets two connections and another process append to one session at the same time', async () => {
    const file = newFile()
    const stores = [openSqlite(file), openSqlite(file)]
    const other = start(file, REF.sessionId, 'child', '60')
    await until(() => other.lines.length > 0, 'the first append of the other process')
    await Promise.all(
      stores.map(async (store, index) => {
        for (let n = 1; n <= 60; n++)
          assert.ok((await store.append(REF, [newEvent(n, { run_id: `own-${index}` })])).ok)
      }),
    )
    assert.equal(await other.ended, 0)
    const rows = await rowsOf(stores[0]!)
    assert.deepEqual(
      rows.map(({ seq }) => seq),
      Array.from({ length: 180 }, (_, index) => index + 1),
    )
    for (const run of ['child', 'own-0', 'own-1']) {
      const ns = rows.filter(({ run_id }) => run_id === run).map(({ n }) => n)
      assert.deepEqual(
        ns,
        Array.from({ length: 60 }, (_, index) => index + 1),
      )
    }
    const claimed = other.lines.map(Number)
    assert.deepEqual(
      claimed,
      rows.filter(({ run_id }) => run_id === 'child').map(({ seq }) => seq),
    )
    await Promise.all(stores.map((store) => store.close()))
  })

  it('makes a new file once though several processes open it in the same moment', async () => {
    const file = newFile()
    const starters = Array.from({ length: 4 }, (_, index) => start(file, `session ${index}`, 'run', '2'))
    assert.deepEqual(await Promise.all(starters.map(({ ended }) => ended)), [0, 0, 0, 0])
    assert.deepEqual(
      starters.map(({ lines }) => lines),
      Array.from({ length: 4 }, () => ['1', '2']),
    )
  })

  it('loses no acknowledged append and leaves no hole when a process is killed in the middle', async () => {
    const file = newFile()
    const { child, lines, ended } = start(file, REF.sessionId, 'run-1', '100000')
    await until(() => lines.length >= 40, '40 appends')
    child.kill('SIGKILL')
    await ended
    const store = openSqlite(file)
    const rows = await rowsOf(store)
    assert.deepEqual(
      rows.map(({ seq }) => seq),
      rows.map((_, index) => index + 1),
    )
    assert.ok(rows.length >= lines.length, `${rows.length} stored, ${lines.length} acknowledged`)
    assert.deepEqual(
      lines.map(Number),
      rows.slice(0, lines.length).map(({ seq }) => seq),
    )
    const [head] = await store.heads([REF])
    assert.equal(head?.head, rows.length)
    assert.deepEqual(await store.runHigh(REF, 'run-1'), { n: rows.length, i: 0 })
    assert.ok((await store.append(REF, [newEvent(1, { run_id: 'run-2' })])).ok)
    await store.close()
  })

  it('freezes nothing while another process holds the write lock, and appends when it lets go', async () => {
    const file = newFile()
    const store = openSqlite(file)
    await store.append(REF, [newEvent(1)])
    const holder = start('hold', file, '300')
    await until(() => holder.lines.length > 0, 'the lock')
    let longest = 0
    let last = performance.now()
    const pulse = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 5)
    let readWhileHeld = 0
    const append = store.append(REF, [newEvent(2)])
    while (
      (await Promise.race([
        append.then(() => true),
        new Promise((resolve) => setTimeout(resolve, 10, false)),
      ])) !== true
    ) {
      readWhileHeld += (await store.read(REF, 0, 10)).events.length
    }
    clearInterval(pulse)
    assert.deepEqual((await append).ok, true)
    assert.ok(readWhileHeld > 0, 'nothing was read while the lock was held')
    // A wait inside SQLite would have been one pause of 300 ms.
    assert.ok(longest < 200, `timers stood still for ${Math.round(longest)} ms`)
    assert.equal(await holder.ended, 0)
    await store.close()
  })

  it('takes the backlog of a long outage as one batch', async () => {
    const store = openSqlite(':memory:')
    const result = await store.append(REF, newEvents(1, 130_000, { event_data: '0' }))
    assert.equal(result.ok && result.head.head, 130_000)
    await store.close()
  })

  describe('opening', () => {
    async function failure(url: string): Promise<LoomiError> {
      const error: unknown = await openStore(url).then(
        (store) => store.close(),
        (error: unknown) => error,
      )
      assert.ok(error instanceof LoomiError, String(error))
      return error
    }

    it('takes a path, sqlite:PATH and :memory:, and makes the folder', async () => {
      for (const url of [
        folder.path('a/b/log.db'),
        `sqlite:${folder.path('c/log.db')}`,
        ':memory:',
        'sqlite::memory:',
      ]) {
        const store = await openStore(url)
        assert.ok((await store.append(REF, [newEvent(1)])).ok)
        await store.close()
      }
    })

    it('refuses a URL that no store answers to, naming those that do', async () => {
      for (const url of ['redis://localhost/0', 'mysql:x', '']) {
        const { code, message } = await failure(url)
        assert.equal(code, 'bad_option')
        assert.match(message, /sqlite:PATH, :memory:/)
      }
    })

    it('says which path it was, and what to give instead, when there can be no file', async () => {
      writeFileSync(folder.path('file'), 'x')
      for (const path of [folder.path('file/log.db'), folder.path('')]) {
        const { code, message } = await failure(path)
        assert.equal(code, 'store_unavailable')
        assert.ok(message.includes(path))
        assert.match(message, /Give a path in a folder that this process may write to/)
      }
    })

    it('refuses a folder that it may not write to', async (t) => {
      if (process.getuid?.() === 0) return t.skip('root may write everywhere')
      const path = folder.path('locked')
      await (await openStore(`${path}/log.db`)).close()
      chmodSync(path, 0o500)
      assert.equal((await failure(`${path}/other.db`)).code, 'store_unavailable')
      chmodSync(path, 0o700)
    })

    it('refuses a file that is no database, and leaves it as it was', async () => {
      const path = folder.path('notes.txt')
      writeFileSync(path, 'These are my notes.\n'.repeat(500))
      const { code, message } = await failure(path)
      assert.equal(code, 'store_failed')
      assert.match(message, /not a database/)
      assert.ok(message.includes(path))
    })

    it('brings a log of the first version up to date: what it holds adds nothing again, and its runs can go on', async () => {
      const path = newFile()
      const db = new DatabaseSync(path)
      db.exec(`${STEPS[0]}; pragma user_version = 1;
        insert into loomi_sessions values ('s-42', 'ada', 'e1', 2, 'run-1/1.1', null, '2026-11-23T00:00:00.000Z');
        insert into loomi_runs values ('s-42', 'run-1', 1);
        insert into loomi_stream_events values
          ('s-42', 1, 'run-1', 1, 0, 'note', 'note', 'agent', '"a"', null, null, 0, '2026-11-23T00:00:00.000Z'),
          ('s-42', 2, 'run-1', 1, 1, 'note', 'note', 'agent', '"b"', null, null, 0, '2026-11-23T00:00:00.000Z')`)
      db.close()
      const store = openSqlite(path)
      assert.deepEqual(await store.runHigh(REF, 'run-1'), { n: 1, i: 1 })
      const again = await store.append(REF, [newEvent(1), newEvent(1, { i: 1, first_i: 1 })])
      assert.ok(again.ok && again.added.length === 0)
      assert.ok((await store.append(REF, [newEvent(2)])).ok)
      assert.equal(await store.endRuns('stopped', REF, '2026-11-24T00:00:00.000Z'), 1)
      assert.equal((await rowsOf(store)).length, 4)
      await store.close()
    })

    it('refuses a log that a newer version wrote, and says to update', async () => {
      const path = newFile()
      const db = new DatabaseSync(path)
      db.exec('pragma user_version = 99')
      db.close()
      const { message } = await failure(path)
      assert.match(message, /newer loomi-recovery \(schema 99.*Update the package/)
    })

    it('refuses a database of another program with an error of its own kind', async () => {
      const path = newFile()
      const db = new DatabaseSync(path)
      db.exec('create table theirs (a); pragma user_version = 1')
      db.close()
      const { code, message } = await failure(path)
      assert.equal(code, 'store_unavailable')
      assert.ok(message.includes(path))
    })

    it('lets go of a file that it refused', async () => {
      const path = newFile()
      const db = new DatabaseSync(path)
      db.exec('pragma journal_mode = wal; pragma user_version = 99')
      await failure(path)
      // Leaving WAL needs the file for oneself alone.
      assert.equal(db.prepare('pragma journal_mode = delete').get()?.['journal_mode'], 'delete')
      db.close()
    })
  })

  describe('a damaged file', () => {
    let path = ''
    before(async () => {
      path = newFile()
      const store = openSqlite(path)
      await store.append(REF, newEvents(1, 200))
      await store.close()
    })

    it('is an error of the request, not of the process', async () => {
      const store = openSqlite(path)
      const db = new DatabaseSync(path)
      db.exec('drop table loomi_stream_events')
      db.close()
      const isStoreError = (error: unknown): boolean =>
        error instanceof LoomiError && error.code === 'store_failed'
      await assert.rejects(store.read(REF, 0, 10), isStoreError)
      await assert.rejects(store.append(REF, [newEvent(201)]), isStoreError)
      assert.equal((await store.heads([REF]))[0]?.head, 200)
      await store.close()
    })
  })
})
