import { expect } from '@open-wc/testing'
import fc from 'fast-check'
import { ModelServer } from './support/model-server.ts'
import { rig, type Rig } from './support/rig.ts'

const seed = Date.now() % 2 ** 31
const parts = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 6 })

/** What can happen while the store is not well. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('show' as const), parts }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('confirm' as const), count: fc.integer({ min: 1, max: 8 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('others' as const), parts }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 3000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('cut' as const, 'again' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const) }) },
)

const looks = ({ client }: Rig): unknown => [
  client.snapshot.running,
  client.snapshot.items.map(({ id, text, done, seq }) => [id, text, done, seq]),
]

describe('RecoveryClient in an outage of the store', () => {
  it(`ends with the log, whatever was shown before it was stored (seed ${seed})`, async function () {
    this.timeout(60_000)
    const bytes = fc.array(fc.integer({ min: 1, max: 2500 }), { maxLength: 8 })
    const property = fc.asyncProperty(fc.array(step, { maxLength: 25 }), bytes, async (steps, cuts) => {
      const server = new ModelServer()
      server.cutAfter = () => cuts.shift() ?? Infinity
      const withdrawn = { shown: 0, told: 0 }
      let untold = 0
      const view = rig(
        {
          beforeShow: ({ cursor }) => void (withdrawn.shown += cursor === null ? 1 : 0),
          onNotice: (notice) => void (withdrawn.told += notice.type === 'unsaved' ? notice.count : 0),
        },
        server,
      )
      const { client, clock } = view
      let n = 0
      // A part ends with its run: runs of one process are not taken up by the next.
      let run = 0
      for (const now of steps) {
        if (now.type === 'show' || now.type === 'others') {
          const run_id = `${now.type}${run}`
          const events = now.parts.map((part) => ({
            run_id,
            key: `${run_id}/${++n}`,
            event_data: `${n};`,
            ...(part ? { part_id: `${run_id}/m/${part}` } : {}),
          }))
          if (now.type === 'show') server.showUnconfirmed(...events)
          else server.append(...events)
        } else if (now.type === 'confirm') server.confirm(now.count)
        else if (now.type === 'wait') await clock.advance(now.ms)
        else if (now.type === 'cut') server.cutAll()
        else if (now.type === 'restart') {
          untold += server.unconfirmed.length
          server.restart()
          run++
        } else {
          client.disconnect()
          client.connect()
        }
      }
      cuts.length = 0
      server.confirm()
      server.append({ run_id: 'last', key: 'last/1', event_data: 'last;' })
      await clock.runUntil(
        () => client.snapshot.position === server.head && client.snapshot.state === 'live',
        120_000,
      )
      const fresh = rig({}, server)
      await fresh.clock.runUntil(() => fresh.client.snapshot.position === server.head)
      expect(looks(view)).to.deep.equal(looks(fresh))
      expect(withdrawn.told).to.be.at.most(Math.min(untold, withdrawn.shown))
      client.disconnect()
      fresh.client.disconnect()
      await clock.advance(0)
      expect(clock.pending).to.equal(0)
    })
    await fc.assert(property, { seed, numRuns: 60, endOnFailure: false })
  })
})
