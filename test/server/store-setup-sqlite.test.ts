import assert from 'node:assert/strict'
import { closeSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, it } from 'node:test'
import type { LoomiError } from '../../server/errors.ts'
import { createLoomi, type Report } from '../../server/loomi.ts'
import { openStore } from '../../server/stores/open.ts'
import { freeze, SmallDisk, thaw, withoutFrozenFiles, withoutSmallDisk } from '../databases/small-disk.ts'
import { Processes } from './processes.ts'
import { isTold, type Mistake } from './store-setup.ts'
import { failure } from './supabase-failure.ts'
import { newEvents, REF, rowsOf, tempFolder, until } from './support.ts'

describe('a log file that can’t be opened', { timeout: 60_000 }, () => {
  const processes = new Processes()
  after(() => processes.end())
  const told = (mistake: Mistake): void => isTold(mistake, processes)

  const folder = tempFolder()
  const disks: SmallDisk[] = []
  const frozen: string[] = []
  after(() => {
    for (const disk of disks) disk.remove()
    for (const path of frozen) thaw([path])
    folder.remove()
  })

  /** A log on a new disk. */
  async function onDisk(): Promise<{ disk: SmallDisk; url: string }> {
    const disk = new SmallDisk(1)
    disks.push(disk)
    return { disk, url: await newLog(disk.path('log.db')) }
  }

  async function frozenLog(name: string): Promise<string> {
    const path = await newLog(folder.path(name))
    freeze([path])
    frozen.push(path)
    return path
  }

  told({
    what: 'a full disk',
    skip: withoutSmallDisk(),
    async store() {
      const { disk } = await onDisk()
      disk.fill()
      return { url: disk.path('new.db') }
    },
    code: 'store_unavailable',
    says: /Cannot open the log at .*disk is full.*make room/,
  })
  told({
    what: 'a disk that takes no changes',
    skip: withoutSmallDisk(),
    async store() {
      const { disk, url } = await onDisk()
      disk.setReadOnly(true)
      return { url }
    },
    code: 'store_unavailable',
    says: /Cannot open the log at .*Give a path in a folder that this process may write to/,
  })
  told({
    what: 'a file that takes no changes',
    skip: withoutFrozenFiles(),
    store: async () => ({ url: await frozenLog('frozen.db') }),
    code: 'store_misconfigured',
    says: /Cannot open the log at .*Let this process write to the log’s file and to its folder/,
  })

  it('goes on by itself when the file may be written to', { skip: withoutFrozenFiles() }, async () => {
    const path = await frozenLog('thawed.db')
    const reports: Report[] = []
    const loomi = createLoomi({ store: path, onEvent: (report) => reports.push(report) })
    const session = loomi.session(REF)
    session.message('x')
    await until(() => reports.length > 0, 'a report')
    thaw([path])
    let isStored = false
    void session.end().then(() => (isStored = true))
    await until(() => isStored, 'all to be stored', 3000)
    await loomi.close()
    const store = await openStore(path)
    assert.equal((await rowsOf(store)).length, 302)
    await store.close()
  })

  it('names the full disk wherever room ends', { skip: withoutSmallDisk() }, async () => {
    const { disk } = await onDisk()
    const path = disk.path('new.db')
    let pages = 0
    for (; ; pages++) {
      disk.fill(pages)
      const error = await openStore(path).then(
        (store) => store.close(),
        (error: LoomiError) => error,
      )
      for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true })
      disk.free()
      if (!error) break
      assert.equal(error.code, 'store_unavailable')
      assert.match(error.message, /(disk is|is its disk) full/, `with room for ${pages} pages`)
    }
    assert.ok(pages > 10, `${pages} pages are enough`)
  })

  told({
    what: 'a file that is no log',
    async store() {
      const url = folder.path('notes.txt')
      writeFileSync(url, 'not a database '.repeat(100))
      return { url }
    },
    code: 'store_failed',
    says: /Cannot open the log at .*not a database.*restore a backup/,
  })
  told({
    what: 'a file whose beginning is damaged',
    async store() {
      const url = await newLog(folder.path('torn.db'))
      damage(url, 100, 3000)
      return { url }
    },
    code: 'store_failed',
    says: /Cannot open the log at .*malformed.*restore a backup.*\.recover/,
  })

  it('is told of a file that another process is preparing, and does not stand still meanwhile', async () => {
    const path = folder.path('held.db')
    const holder = new DatabaseSync(path)
    holder.exec('begin exclusive')
    let turns = 0
    const timer = setInterval(() => turns++, 5)
    const error = await failure(() => openStore(path))
    clearInterval(timer)
    holder.close()
    assert.ok(turns > 10, `the loop turned ${turns} times`)
    assert.equal(error.code, 'store_busy')
    assert.match(
      error.message,
      /Cannot open the log at .*locked.*Another process is preparing it.*tried again/,
    )
  })

  it('is told of a damaged file, and how to save what can be saved', async () => {
    const path = await newLog(folder.path('damaged.db'))
    damage(path, 8192, statSync(path).size - 8192)
    const store = await openStore(path)
    const error = await failure(() => store.read(REF, 0, 300))
    await store.close()
    assert.equal(error.code, 'store_failed')
    assert.match(error.message, /malformed.*restore a backup.*\.recover/)
  })
})

/** A log with 300 rows. */
async function newLog(path: string): Promise<string> {
  const store = await openStore(path)
  await store.append(REF, newEvents(1, 300))
  await store.close()
  return path
}

/** Overwrites a piece of a file. */
function damage(path: string, from: number, bytes: number): void {
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.alloc(bytes, 'x'), 0, undefined, from)
  closeSync(file)
}
