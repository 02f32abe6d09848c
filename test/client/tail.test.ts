import { expect } from '@open-wc/testing'
import { Tail } from '../../elements/client/tail.ts'
import { makeEvent } from './support/model-server.ts'

const at = (key: string): ReturnType<typeof makeEvent> => makeEvent(0, { run_id: 'run', key })

describe('Tail', () => {
  it('knows as stored what comes at or before the newest stored place of its run', () => {
    const tail = new Tail()
    tail.store(at('run/9'))
    expect(['run/6', 'run/9', 'run/9.1', 'run/10'].map((key) => tail.isStored(at(key)))).to.deep.equal([
      true,
      true,
      false,
      false,
    ])
  })

  it('does not forget it when the run is said to be interrupted', () => {
    const tail = new Tail()
    tail.store(at('run/9'))
    tail.store(at('run/9.-1'))
    expect(tail.isStored(at('run/6'))).to.equal(true)
  })
})
