/** Planted bugs: small changes of the core, each of which the simulation must find. */
import type { SceneName } from './scenes.ts'

/** One bug: what stands in a file and what is put in its place. Each text must be there exactly once. */
export interface Planted {
  readonly name: string
  readonly edits: readonly { readonly file: string; readonly search: string; readonly replace: string }[]
  /** A seed that finds it, as `npm run test:planted` printed it. */
  readonly seed: number
  /** Where it is looked for; `open` when not given. */
  readonly scene?: SceneName
}

const bug = (
  name: string,
  seed: number,
  file: string,
  search: string,
  replace: string,
  scene?: SceneName,
): Planted => ({
  name,
  seed,
  edits: [{ file, search, replace }],
  ...(scene && { scene }),
})

/** The bugs, in the order of the way from the producer to the page. */
export const PLANTED: readonly Planted[] = [
  bug(
    'compare n alone, not (n, i)',
    1,
    'server/store.ts',
    'place.n > other.n || (place.n === other.n && place.i > other.i)',
    'place.n > other.n',
  ),
  bug(
    'take an append that failed for done',
    1,
    'server/session-writer.ts',
    '        await sleep(clock, waitMs)\n',
    '        return\n',
  ),
  bug(
    'forget what of a run is stored when it is fed again',
    3467,
    'server/session-writer.ts',
    'this.#shared.highOf(group.events[0]!.run_id)))',
    'null))',
  ),
  bug(
    'publish what is published already',
    639,

    'server/session-writer.ts',
    '      group.isPublished = true\n',
    '',
  ),
  bug(
    'show what is stored while its answer is late',
    2958,
    'server/unconfirmed.ts',
    'comesAfter(event, leaving?.get(event.run_id) ?? NOWHERE)',
    'comesAfter(event, NOWHERE)',
    'late',
  ),
  bug(
    'forget at an opening that other processes feed a run, too',
    8723,
    'server/confirmation.ts',
    ', ...(this.#feederOf(ref)?.takeShared() ?? [])])',
    '])',
    'late',
  ),
  bug(
    'show unconfirmed events before it is known what of them is stored',
    1349,
    'server/stream.ts',
    '    this.#patience.open(false)\n',
    '    this.#patience.open()\n',
    'late',
  ),
  bug(
    'believe the leading tab about what came before a beginning',
    1362,
    'elements/client/inbox.ts',
    'isProvisional(received) && isFromBefore(received, view)',
    'false',
    'late',
  ),
  bug(
    'stay provisional when the store is back',
    1,
    'server/session-writer.ts',
    '      this.#isProvisional = false\n',
    '',
  ),
  bug(
    'do not say that what was shown will never be stored',
    766,
    'server/session-writer.ts',
    '        log.unconfirmed.discard(this.#ref)\n      return false',
    '        return false\n      return false',
  ),
  bug('end no run whose lease has lapsed', 67, 'server/runs.ts', '{ lapsed: true }', '{ runs: [] }'),
  bug(
    'lose a wake-up that comes while the log is read',
    1691,
    'server/patience.ts',
    '      this.#hasNews = true\n',
    '',
  ),
  {
    name: 'register for wake-ups after the first read',
    seed: 6,
    edits: [
      { file: 'server/log.ts', search: '    entry.watchers.add(wake)\n', replace: '' },
      {
        file: 'server/log.ts',
        search: '          else waiting = done\n',
        replace:
          '          else {\n            waiting = done\n            entry.watchers.add(wake)\n          }\n',
      },
    ],
  },
  bug(
    'learn a new head and tell nobody',
    2,
    'server/log.ts',
    '    this.#learn(entry, head)\n    return head\n',
    '    entry.head = head\n    return head\n',
  ),
  bug(
    'share a read that began before the wake-up',
    2172,
    'server/log-entry.ts',
    '  entry.reads.clear()\n',
    '',
  ),
  bug(
    'serve from a tail that does not reach the head',
    2,
    'server/log-entry.ts',
    'if (!head || !rows || tail.end !== head.head) return null',
    'if (!head || !rows) return null',
  ),
  bug(
    'skip the epoch check',
    133,
    'server/opening.ts',
    "  if (parts.epoch !== head.epoch) return 'epoch'\n",
    '',
  ),
  bug(
    'skip the tag check',
    533,
    'server/opening.ts',
    "return parts.tag === tagOf(key) ? null : 'tag'",
    'return null',
  ),
  bug(
    'believe a displayed cursor of another log',
    2,
    'server/opening.ts',
    "return objection === null || (isFromMemory && objection === 'beyond_end')",
    "return objection !== 'malformed'",
  ),
  bug(
    'do not notice under an open stream that the log was set back',
    37,
    'server/stream.ts',
    'return epoch !== this.#stream.epoch || head < (this.#opening?.to ?? this.#position) || isReplaced',
    'return epoch !== this.#stream.epoch',
  ),
  bug(
    'pass over pruned rows in silence',
    15,
    'server/stream.ts',
    'if (first > this.#position + 1) {',
    'if (first < 0) {',
  ),
  bug('merge across `seen`', 11, 'server/frames.ts', '!bounds.includes(left.seq)', 'bounds.length >= 0'),
  bug(
    'take the row at the position in once more (`<` for `<=`)',
    1617,
    'elements/client/frames.ts',
    "if (at.seq <= taken) return 'old'",
    "if (at.seq < taken) return 'old'",
  ),
  {
    name: 'do not look for holes',
    seed: 265,
    edits: [
      {
        file: 'elements/client/frames.ts',
        search: "return from === taken + 1 ? 'next' : 'hole'",
        replace: "return 'next'",
      },
      {
        file: 'elements/client/inbox.ts',
        search: 'return at.seq > seq && after !== undefined && after !== position',
        replace: 'return false',
      },
    ],
  },
  bug(
    'forget the priming id',
    13,
    'elements/client/view.ts',
    '        this.#move(cursor, at)\n        this.#unreadTo = at.seq\n',
    '',
  ),
  bug(
    'keep the old log’s items after a reset',
    2,
    'elements/client/view.ts',
    '      this.items.clear()\n',
    '      this.items.detach()\n',
  ),
  bug(
    'keep for ever what another process showed before it was stored',
    23,
    'elements/client/voucher.ts',
    'withdraw(({ boot }) => boot !== known)',
    'withdraw(({ boot }) => boot === null)',
  ),
  bug(
    'drop a provisional key',
    23,
    'elements/client/tail.ts',
    '    this.#byKey.set(key, added)\n',
    '    this.#byKey.set(`${key}?`, added)\n',
  ),
  bug(
    'show what is stored once more as provisional',
    61,
    'elements/client/items.ts',
    'if (known || this.#tail.isStored(event)) return',
    'if (known) return',
  ),
  bug(
    'persist the position as displayed',
    2,
    'elements/client/recovery-client.ts',
    'if (this.#visible && this.#view.shown !== null) this.#seen.show(this.#view.shown)',
    'if (this.#view.position !== null) this.#seen.show(this.#view.position)',
  ),
  bug(
    'tell as displayed what a hidden page shows',
    14,
    'elements/client/recovery-client.ts',
    'if (this.#visible && this.#view.shown !== null)',
    'if (this.#view.shown !== null)',
  ),
  bug(
    'tell as displayed what was told before',
    1,
    'elements/client/seen.ts',
    '(compareCursors(cursor, newest) ?? 1) <= 0',
    '(compareCursors(cursor, newest) ?? 1) < 0',
  ),
  bug(
    'show the newest first',
    10,
    'elements/client/pacer.ts',
    'ready.push(received)',
    'ready.unshift(received)',
  ),
  {
    name: 'do not resume from the position',
    seed: 1,
    edits: [
      {
        file: 'elements/client/request.ts',
        search: "if (lastEventId !== null) headers['Last-Event-ID'] = lastEventId",
        replace: "if (lastEventId === '') headers['Last-Event-ID'] = lastEventId",
      },
      { file: 'elements/client/request.ts', search: 'place.position ?? place.after', replace: 'place.after' },
    ],
  },
  {
    name: 'an old connection delivers after its replacement',
    seed: 51,
    edits: [
      {
        file: 'elements/client/attempt.ts',
        search: 'this.#abort.abort(INTERRUPTED)',
        replace: 'this.#pause.end()',
      },
      {
        file: 'elements/client/supply.ts',
        search: '() => mine() && !signal.aborted',
        replace: '() => !signal.aborted',
      },
      {
        file: 'elements/client/supply.ts',
        search: '          if (!mine()) return\n',
        replace: '',
      },
    ],
  },
  bug(
    'wait for ever on a silent connection',
    17,
    'elements/client/connection.ts',
    "() => this.#attempt.abort(new ConnectionError(kind, 'silent', message))",
    '() => undefined',
  ),
  bug(
    'do not fetch what the leading tab left out',
    183,
    'elements/client/supply.ts',
    "    if (verdict === 'hole' && isOpen) link.refetch()\n",
    '',
  ),
  bug(
    'leave the watchdog’s timer',
    1,
    'elements/client/connection.ts',
    '  } finally {\n    watchdog.rest()\n  }',
    '  } finally {\n    // Nothing.\n  }',
  ),
]
