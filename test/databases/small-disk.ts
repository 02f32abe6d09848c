/** Disks in trouble: a small one of a test's own that can be full, and files that take no writes. Both only for root on Linux. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onLeaving } from './postgres.ts'

const PAGE = new Uint8Array(4096)
/** What nobody could delete. */
const frozen = new Set<string>()
const mounted = new Set<SmallDisk>()
// Once for all of them: there may be many.
onLeaving(() => {
  for (const path of frozen) whyNot(() => thaw([path]), '')
  for (const disk of mounted) whyNot(() => disk.remove(), '')
})

/** Why there can be no such disk here, false when there can. Fits a test's `skip`. */
export function withoutSmallDisk(): string | false {
  return whyNot(() => new SmallDisk(1).remove(), 'a file system can be mounted here only by root on Linux')
}

/** Why no file can be frozen here, false when it can. Fits a test's `skip`. */
export function withoutFrozenFiles(): string | false {
  const folder = mkdtempSync(join(tmpdir(), 'loomi-frozen-'))
  const path = join(folder, 'file')
  const file = openSync(path, 'w')
  try {
    return whyNot(() => {
      freeze([path])
      if (canWrite(file)) throw new Error('Who had it open writes on.')
    }, 'files can be frozen here only by root, and on few file systems')
  } finally {
    closeSync(file)
    whyNot(() => thaw([path]), '')
    rmSync(folder, { recursive: true })
  }
}

/** Lets nobody write to files, also not who has them open already: as a file system that went read-only does. */
export function freeze(paths: readonly string[]): void {
  quietly('chattr', '+i', ...paths)
  for (const path of paths) frozen.add(path)
}

/** Undoes {@link freeze}. */
export function thaw(paths: readonly string[]): void {
  quietly('chattr', '-i', ...paths)
  for (const path of paths) frozen.delete(path)
}

/** The disk; see the module. */
export class SmallDisk {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'loomi-disk-'))

  constructor(megabytes: number) {
    try {
      quietly('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0777`, 'tmpfs', this.folder)
    } catch (error) {
      rmdirSync(this.folder)
      throw error
    }
    mounted.add(this)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  /** Gives it to another user of this machine. */
  give(user: string): void {
    quietly('chown', user, this.folder)
  }

  /** From now on not a byte more fits than some pages of 4 KiB: none, when nothing is said. */
  fill(pages = 0): void {
    const filler = openSync(this.path('filler'), 'w')
    try {
      for (;;) writeSync(filler, PAGE)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      ftruncateSync(filler, fstatSync(filler).size - pages * PAGE.length)
    } finally {
      closeSync(filler)
    }
  }

  /** Makes room again. */
  free(): void {
    rmSync(this.path('filler'), { force: true })
  }

  /** Takes changes or doesn't; while anybody has a file open for writing that can't be changed. */
  setReadOnly(isReadOnly: boolean): void {
    quietly('mount', '-o', `remount,${isReadOnly ? 'ro' : 'rw'}`, this.folder)
  }

  remove(): void {
    mounted.delete(this)
    // Also under somebody who has not let go of it.
    quietly('umount', '-l', this.folder)
    rmdirSync(this.folder)
  }
}

function canWrite(file: number): boolean {
  try {
    writeFileSync(file, 'x')
    return true
  } catch {
    return false
  }
}

function whyNot(work: () => void, reason: string): string | false {
  try {
    work()
    return false
  } catch {
    return reason
  }
}

function quietly(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'pipe' })
}
