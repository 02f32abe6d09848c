import { expect } from '@open-wc/testing'
import { Portions } from '../../elements/portions.ts'
import { anItem } from './builders.ts'
import { aPage, cleanUp, open, transcript } from './harness.ts'

const numbered = (from: number, to: number): ReturnType<typeof anItem>[] =>
  Array.from({ length: to - from + 1 }, (_, i) => anItem({ id: `${from + i}` }))

describe('Portions', () => {
  it('let in a long list by and by, in its order, and nothing twice', () => {
    const portions = new Portions()
    const list = numbered(1, 100)
    const sizes = [1, 2, 3, 4, 5].map(() => portions.next(list).length)
    expect(sizes).to.deep.equal([32, 64, 96, 100, 100])
    expect(portions.next(list)).to.equal(list)
  })

  it('never take back what is there, wherever new items come', () => {
    const portions = new Portions()
    const tail = numbered(101, 102)
    portions.next(tail)
    const next = portions.next([...numbered(1, 100), ...tail])
    expect(next.map(({ id }) => id)).to.deep.equal([...numbered(1, 32), ...tail].map(({ id }) => id))
  })

  it('know what came in a crowd, and forget what has left', () => {
    const portions = new Portions()
    const [first, ...others] = numbered(1, 10)
    portions.next([first!])
    portions.next([first!, ...others])
    expect(portions.isOfCrowd(first!)).to.equal(false)
    expect(portions.isOfCrowd(others[0]!)).to.equal(true)
    portions.next([])
    expect(portions.isOfCrowd(others[0]!)).to.equal(false)
    portions.next([others[0]!])
    expect(portions.isOfCrowd(others[0]!)).to.equal(false)
  })

  it('are one whole to those who wait for the element', async () => {
    const { element, session } = aPage()
    const texts = Array.from({ length: 100 }, (_, i) => `Number ${i}`)
    for (const text of texts) session.say('message', text)
    await open(element)
    await element.updateComplete
    expect(transcript(element)).to.deep.equal(texts.map((text) => `item message: ${text}`))
    cleanUp()
  })
})
