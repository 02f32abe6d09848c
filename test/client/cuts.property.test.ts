import { expect } from '@open-wc/testing'
import fc from 'fast-check'
import { textOf } from '../../server/protocol.ts'
import { until } from './support/fake-clock.ts'
import { ModelServer } from './support/model-server.ts'
import { rig } from './support/rig.ts'

const seed = Date.now() % 2 ** 31

/** What can happen while an answer runs. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      parts: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 3000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('cut' as const, 'end' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('signal' as const),
      signal: fc.constantFrom(
        'hidden' as const,
        'visible' as const,
        'offline' as const,
        'online' as const,
        'resume' as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom('newLog' as const, 'beat' as const, 'showAll' as const, 'again' as const),
    }),
  },
)

/** What a text was made of, whatever the order. */
const pieces = (text: string): string[] => text.split(';').toSorted()

describe('RecoveryClient under cuts', () => {
  it(`shows every event once and in order, wherever the bytes are cut (seed ${seed})`, async function () {
    this.timeout(60_000)
    const bytes = fc.array(fc.integer({ min: 1, max: 2500 }), { maxLength: 15 })
    const lengths = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 10 })
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      bytes,
      lengths,
      fc.boolean(),
      async (steps, cuts, sizes, merges) => {
        const server = new ModelServer()
        server.merges = merges
        server.cutAfter = () => cuts.shift() ?? Infinity
        let piece = 0
        server.pieceBytes = () => sizes[piece++ % sizes.length]!
        let shown = ''
        const { client, clock, texts } = rig(
          {
            beforeShow: ({ text }) => void (shown += text),
            onReset: () => void (shown = ''),
          },
          server,
        )
        for (const [index, now] of steps.entries()) {
          if (now.type === 'append') {
            // Part 0 is none: a single event.
            server.append(
              ...now.parts.map((part, at) => ({
                event_data: `${index}.${at};`,
                ...(part ? { part_id: `r1/${part}` } : {}),
              })),
            )
          } else if (now.type === 'wait') await clock.advance(now.ms)
          else if (now.type === 'cut') server.cutAll()
          else if (now.type === 'end') for (const held of server.held) held.end()
          else if (now.type === 'signal') client.signal(now.signal)
          else if (now.type === 'beat') client.noteBeat(server.head)
          else if (now.type === 'showAll') client.showAll()
          else if (now.type === 'newLog') {
            server.epoch = `n${index}`
            server.rows.length = 0
            // The old log is gone and with it who watched it.
            server.cutAll()
          } else {
            client.disconnect()
            client.connect()
          }
        }
        cuts.length = 0
        client.signal('online')
        client.signal('visible')
        // A log without events announces no reset: what was shown of the old one stays until the first.
        server.append({ event_data: 'last;' })
        await clock.runUntil(
          () => client.snapshot.position === server.head && client.snapshot.state === 'live',
          120_000,
        )
        const log = server.rows.map(({ event_data }) => textOf(event_data))
        expect(shown).to.equal(log.join(''))
        expect(pieces(texts().join(''))).to.deep.equal(pieces(shown))
        expect(client.snapshot.items.some(({ unseen }) => unseen)).to.equal(false)
        client.disconnect()
        await until(() => server.held.size === 0)
        expect(clock.pending).to.equal(0)
      },
    )
    await fc.assert(property, { seed, numRuns: 60, endOnFailure: false })
  })
})
