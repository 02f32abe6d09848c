import { expect } from '@open-wc/testing'
import fc from 'fast-check'
import { Items } from '../../elements/client/items.ts'
import { comparePlaces, placeOf } from '../../elements/client/places.ts'
import type { Item } from '../../elements/client/types.ts'
import type { LoomiEvent } from '../../server/protocol.ts'
import { makeEvent } from './support/model-server.ts'

const seed = Date.now() % 2 ** 31
const show = (): boolean => true

/** Few runs, parts and letters, so that they often meet. */
const event = fc.record({
  run: fc.constantFrom('r1', 'r2'),
  step: fc.integer({ min: 1, max: 3 }),
  kind: fc.constantFrom('one', 'p', 'p', 'q', 'done', 'end'),
  text: fc.constantFrom('a', 'b', 'ab', ''),
})

/** The events of a log, keys rising in each run. */
function logOf(given: readonly (typeof event extends fc.Arbitrary<infer T> ? T : never)[]): LoomiEvent[] {
  const places: Record<string, number> = {}
  return given.map(({ run, step, kind, text }, index) => {
    const n = (places[run] = (places[run] ?? 0) + step)
    const key = { run_id: run, key: `${run}/${n}`, event_data: text }
    if (kind === 'end') return makeEvent(index, { ...key, event_type: 'run_end', content_type: 'complete' })
    if (kind === 'one') return makeEvent(index, key)
    const part_id = `${run}/m/${kind === 'q' ? 1 : 0}`
    return makeEvent(index, { ...key, part_id, ...(kind === 'done' && { part_done: true as const }) })
  })
}

/** What a view shows of it, without what tells stored from unconfirmed. */
function looks(items: Items): unknown {
  const of = ({ id, text, done }: Item): unknown => ({ id, text, done })
  return [items.running, ...items.list.map(of)]
}

/** The items of a sequence in which everything is stored. */
function stored(log: readonly LoomiEvent[]): Items {
  const items = new Items()
  log.forEach((one, index) =>
    items.add(
      { event: one, cursor: `e1-${index + 1}-aaaaaa`, seq: index + 1, phase: 'live', unseen: false },
      show,
    ),
  )
  return items
}

describe('stored events and a tail', () => {
  it(`read like the log and then what is left of the tail, after each step (seed ${seed})`, () => {
    const property = fc.property(
      fc.array(event, { maxLength: 25 }),
      fc.array(fc.boolean(), { minLength: 25, maxLength: 25 }),
      fc.array(fc.integer({ min: 0, max: 25 }), { maxLength: 25 }),
      (given, isMine, ahead) => {
        const log = logOf(given)
        const mine = log.filter((_, index) => isMine[index])
        const items = new Items()
        const told: string[] = []
        const tell = (key: string) => (): boolean => told.push(key) > 0
        let shown = 0
        log.forEach((one, index) => {
          for (let count = ahead[index] ?? 0; count > 0 && shown < mine.length; count--, shown++) {
            const { key } = mine[shown]!
            items.addUnconfirmed(
              { event: mine[shown]!, unseen: false, boot: 'b', isInDoubt: false },
              tell(key),
            )
          }
          items.add(
            { event: one, cursor: `e1-${index + 1}-aaaaaa`, seq: index + 1, phase: 'live', unseen: false },
            tell(one.key),
          )
          const done = log.slice(0, index + 1)
          const tail = mine.slice(0, shown).filter((two) => !isStored(two, done))
          expect(looks(items)).to.deep.equal(looks(stored([...done, ...tail])))
        })
        expect(told.toSorted()).to.deep.equal(log.map(({ key }) => key).toSorted())
        expect(items.list.map(({ seq }) => seq)).to.not.include(null)
        expect([...items.unconfirmed]).to.deep.equal([])
      },
    )
    fc.assert(property, { seed, numRuns: 1000 })
  })

  it(`read like the log alone when the tail is withdrawn (seed ${seed})`, () => {
    const property = fc.property(
      fc.array(event, { maxLength: 15 }),
      fc.array(event, { maxLength: 15 }),
      fc.array(fc.boolean(), { minLength: 15, maxLength: 15 }),
      (first, second, keeps) => {
        const all = logOf([...first, ...second])
        const log = all.slice(0, first.length)
        const tail = all.slice(first.length)
        // Two processes do not both end one run and go on with it.
        const isMixed = !tail.some(({ event_type }) => event_type === 'run_end')
        const isKept = (index: number): boolean => isMixed && keeps[index]!
        const items = stored(log)
        tail.forEach((one, index) =>
          items.addUnconfirmed(
            { event: one, unseen: false, boot: isKept(index) ? 'new' : 'old', isInDoubt: false },
            show,
          ),
        )
        items.withdraw(({ boot }) => boot === 'old')
        expect(looks(items)).to.deep.equal(
          looks(stored([...log, ...tail.filter((_, index) => isKept(index))])),
        )
        items.withdraw()
        expect(looks(items)).to.deep.equal(looks(stored(log)))
      },
    )
    fc.assert(property, { seed, numRuns: 1000 })
  })

  it('cost work in proportion to the events, whatever order they are stored in', () => {
    const COUNT = 5000
    for (const stuck of [false, true]) {
      const items = new Items()
      if (stuck)
        items.addUnconfirmed(
          { event: makeEvent(0, { run_id: 'r0', key: 'r0/1' }), unseen: false, boot: 'b', isInDoubt: false },
          show,
        )
      const events = Array.from({ length: COUNT }, (_, index) =>
        makeEvent(index + 1, index % 2 ? { part_id: `r1/${index % 7}` } : {}),
      )
      for (const one of events)
        items.addUnconfirmed({ event: one, unseen: false, boot: 'b', isInDoubt: false }, show)
      let before = items.list
      let changes = 0
      events.forEach((one, index) => {
        const cursor = `e1-${index}-aaaaaa`
        items.add({ event: one, cursor, seq: index + 1, phase: 'live', unseen: false }, show)
        const { list } = items
        for (let at = 0; at < list.length; at++) if (list[at] !== before[at]) changes++
        before = list
      })
      // An item is made anew when it gets its place in the log, and moved when what is stuck gives way.
      expect(changes).to.be.at.most(2 * COUNT)
      expect(items.list.length).to.equal(COUNT / 2 + 7 + (stuck ? 1 : 0))
    }
  })
})

function isStored(one: LoomiEvent, log: readonly LoomiEvent[]): boolean {
  return log.some(
    (two) => two.run_id === one.run_id && comparePlaces(placeOf(one.key)!, placeOf(two.key)!) <= 0,
  )
}
