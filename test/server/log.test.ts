import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Log, type Watch } from '../../server/log.ts'
import type { Store } from '../../server/store.ts'
import { openSqlite } from '../../server/stores/sqlite.ts'
import { FakeClock, newEvent, newEvents, REF, settle, storeWith } from './support.ts'

describe('the log as one process sees it', { timeout: 30_000 }, () => {
  let clock: FakeClock
  let sqlite: Store
  let reads: number
  let errors: unknown[]
  let hint: () => void
  let log: Log
  beforeEach(() => {
    clock = new FakeClock()
    sqlite = openSqlite(':memory:')
    reads = 0
    errors = []
    log = newLog({})
  })

  function newLog(methods: Partial<Store>): Log {
    const store = storeWith(sqlite, {
      read: (ref, after, limit) => {
        reads++
        return sqlite.read(ref, after, limit)
      },
      watch: (changed) => {
        hint = changed
        return () => undefined
      },
      ...methods,
    })
    return new Log(store, clock, (error) => errors.push(error))
  }

  const seqs = async (after: number): Promise<number[]> =>
    (await log.read(REF, after))?.rows.map(({ row }) => row.seq) ?? []

  /** What a stream does: reads until there is something, waiting for wake-ups. */
  async function following(watch: Watch, after: number): Promise<number[]> {
    for (;;) {
      const rows = await seqs(after)
      if (rows.length > 0) return rows
      await watch.next()
    }
  }

  it('wakes those who watch a session when something was appended, and no others', async () => {
    const watch = log.watch(REF)
    const other = log.watch({ ...REF, sessionId: 'other' })
    let woken = 0
    void watch.next().then(() => (woken += 1))
    void other.next().then(() => (woken += 10))
    await log.append(REF, [newEvent(1)])
    await settle()
    assert.equal(woken, 1)
  })

  it('keeps a wake-up that came while nobody waited', async () => {
    const watch = log.watch(REF)
    await log.append(REF, [newEvent(1)])
    await watch.next()
    let again = false
    void watch.next().then(() => (again = true))
    await settle()
    assert.equal(again, false)
    watch.stop()
    await settle()
    assert.equal(again, true)
  })

  it('reads an event once for all who watch, and not at all when it was appended here', async () => {
    const watches = Array.from({ length: 50 }, () => log.watch(REF))
    await log.append(REF, newEvents(1, 3))
    for (const _ of watches) assert.deepEqual(await seqs(0), [1, 2, 3])
    assert.equal(reads, 0)
    await sqlite.append(REF, newEvents(4, 5))
    hint()
    const rows = await Promise.all(watches.map((watch) => following(watch, 3)))
    for (const row of rows) assert.deepEqual(row, [4, 5])
    assert.equal(reads, 1)
  })

  it('finds what another process appended without any hint, within 5 s', async () => {
    const watch = log.watch(REF)
    const rows = following(watch, 0)
    await settle()
    await sqlite.append(REF, newEvents(1, 2))
    await clock.advance(5000)
    assert.deepEqual(await rows, [1, 2])
  })

  it(
    'never answers a viewer that was woken with a read from before its wake-up',
    { timeout: 5000 },
    async () => {
      await sqlite.append(REF, [newEvent(1)])
      // A store over a network: what it answers was true when it was asked.
      const gates: (() => void)[] = []
      let slow = true
      log = newLog({
        read: async (...asked) => {
          const page = await sqlite.read(...asked)
          if (slow) await new Promise<void>((resolve) => gates.push(resolve))
          return page
        },
      })
      const [first, second] = [log.watch(REF), log.watch(REF)]
      const early = following(first, 1)
      await settle()
      const late = second.next().then(() => following(second, 1))
      await sqlite.append(REF, [newEvent(2)])
      slow = false
      hint()
      await settle()
      for (const open of gates) open()
      assert.deepEqual(await late, [2])
      assert.deepEqual(await early, [2])
    },
  )

  for (const [who, look] of [
    ['a look at the head', () => log.head(REF)],
    ['another viewer’s read', () => log.read(REF, 1)],
  ] as const) {
    it(`wakes those who watch when ${who} brings the news of another process’s append`, async () => {
      await sqlite.append(REF, newEvents(1, 3))
      const watch = log.watch(REF)
      await log.read(REF, 0)
      const waiting = following(watch, 3)
      await settle()
      await sqlite.append(REF, [newEvent(4)])
      await look()
      // The hint comes after it and is no news any more.
      hint()
      await settle()
      assert.deepEqual(await waiting, [4])
      watch.stop()
    })
  }

  it('wakes those who watch when an append turns out to have been stored by an earlier try', async () => {
    await log.append(REF, [newEvent(1)])
    const watch = log.watch(REF)
    await log.head(REF)
    await sqlite.append(REF, [newEvent(2)])
    const rows = watch.next().then(() => following(watch, 1))
    const again = await log.append(REF, [newEvent(2)])
    assert.ok(again.ok && again.added.length === 0)
    assert.deepEqual(await rows, [2])
  })

  it('keeps what viewers have unconfirmed when a look at the head tells of an append before its answer does', async () => {
    let answer = (): void => undefined
    log = newLog({
      append: async (...asked) => {
        const result = await sqlite.append(...asked)
        await new Promise<void>((resolve) => (answer = resolve))
        return result
      },
    })
    const watch = log.watch(REF)
    const appending = log.append(REF, newEvents(1, 2))
    await settle()
    await log.head(REF)
    await sqlite.append(REF, [newEvent(3)])
    await log.head(REF)
    answer()
    await appending
    assert.equal(log.unconfirmed.discards(REF), 0)
    assert.deepEqual(await seqs(0), [1, 2, 3])
    watch.stop()
  })

  it('does not take an append from before the watch for all there is: what others stored until then was hinted to nobody', async () => {
    let answer = (): void => undefined
    log = newLog({
      append: async (...asked) => {
        const result = await sqlite.append(...asked)
        await new Promise<void>((resolve) => (answer = resolve))
        return result
      },
    })
    const appending = log.append(REF, [newEvent(1)])
    await settle()
    await sqlite.append(REF, [newEvent(2)])
    const watch = log.watch(REF)
    answer()
    await appending
    assert.deepEqual(await seqs(1), [2])
    watch.stop()
  })

  it('reads rows under the epoch that they belong to when the log is begun anew in that moment', async () => {
    await sqlite.append(REF, newEvents(1, 2))
    log = newLog({
      heads: async (refs) => {
        const heads = await sqlite.heads(refs)
        await sqlite.deleteSessions(REF)
        await sqlite.append(REF, [newEvent(1, { run_id: 'new' })])
        return heads
      },
    })
    log.watch(REF)
    const page = await log.read(REF, 0)
    const [head] = await sqlite.heads([REF])
    assert.equal(page?.epoch, head?.epoch)
  })

  it('asks only for the sessions that a hint is about', async () => {
    const asked: string[][] = []
    let tell: Parameters<Store['watch']>[0] = () => undefined
    log = newLog({
      heads: (refs) => {
        asked.push(refs.map(({ sessionId }) => sessionId))
        return sqlite.heads(refs)
      },
      watch: (changed) => {
        tell = changed
        return () => undefined
      },
    })
    for (const sessionId of ['a', 'b', 'c']) log.watch({ ...REF, sessionId })
    tell(new Set(['b', 'elsewhere']))
    await settle()
    tell(new Set(['elsewhere']))
    await settle()
    tell(new Set(['a']))
    tell(new Set(['c']))
    await settle()
    tell()
    await settle()
    assert.deepEqual(asked, [['b'], ['a'], ['c'], ['a', 'b', 'c']])
  })

  it('goes on when the store cannot tell the heads, and reports it', async () => {
    let broken = true
    log = newLog({ heads: (refs) => (broken ? Promise.reject(new Error('Down.')) : sqlite.heads(refs)) })
    const watch = log.watch(REF)
    const woken = watch.next()
    await sqlite.append(REF, [newEvent(1)])
    await clock.advance(5000)
    assert.equal(errors.length, 1)
    broken = false
    await clock.advance(5000)
    await woken
    assert.deepEqual(await seqs(0), [1])
  })

  it('polls for nobody', async () => {
    const watch = log.watch(REF)
    assert.equal(clock.pending, 1)
    watch.stop()
    assert.equal(clock.pending, 0)
    log.watch(REF)
    assert.equal(clock.pending, 1)
    log.close()
    assert.equal(clock.pending, 0)
  })

  it('keeps its short tail right when others append in between', async () => {
    const watch = log.watch(REF)
    await log.append(REF, newEvents(1, 3))
    await sqlite.append(REF, newEvents(1, 2, { run_id: 'foreign' }))
    await log.append(REF, newEvents(4, 5))
    for (let after = 0; after <= 6; after++) {
      const all = [...(await seqs(after))]
      assert.deepEqual(
        all,
        [1, 2, 3, 4, 5, 6, 7].filter((seq) => seq > after),
      )
    }
    watch.stop()
  })

  it('gives more than the tail holds, in pages', async () => {
    log.watch(REF)
    await log.append(REF, newEvents(1, 1300))
    const seen: number[] = []
    for (let page = await seqs(0); page.length > 0; page = await seqs(seen.length)) seen.push(...page)
    assert.deepEqual(
      seen,
      Array.from({ length: 1300 }, (_, i) => i + 1),
    )
  })

  it('knows nothing of sessions that are somebody else’s', async () => {
    await log.append(REF, [newEvent(1)])
    const eve = { ...REF, userId: 'eve' }
    const watch = log.watch(eve)
    assert.equal(await log.head(eve), null)
    assert.equal(await log.knownHead(eve), null)
    assert.equal(await log.read(eve, 0), null)
    let woken = false
    void watch.next().then(() => (woken = true))
    await log.append(REF, [newEvent(2)])
    await clock.advance(6000)
    assert.equal(woken, false)
  })
})
