import { expect } from '@open-wc/testing'
import { kindOf } from '../../elements/kinds.ts'
import { anEvent } from './builders.ts'

describe('kindOf', () => {
  for (const [content_type, kind] of [
    ['thought', 'thought'],
    ['message', 'message'],
    ['concierge_message', 'message'],
    ['orchestrator_message', 'message'],
    ['user', 'user'],
    ['tool_call', 'tool'],
    ['tool_result', 'tool'],
    ['refusal', 'message'],
    ['source', 'source'],
    ['error', 'error'],
    ['loomi_dropped', 'dropped'],
    ['usage', 'silent'],
    ['plan', 'event'],
    ['', 'event'],
    ['constructor', 'event'],
  ] as const) {
    it(`takes content_type "${content_type}" for the kind ${kind}`, () => {
      expect(kindOf(anEvent({ content_type }))).to.equal(kind)
    })
  }

  it('tells the end of a run by its event_type, for its content_type says how it ended', () => {
    expect(kindOf(anEvent({ event_type: 'run_end', content_type: 'failed' }))).to.equal('run_end')
    expect(kindOf(anEvent({ event_type: 'llm_chunk', content_type: 'failed' }))).to.equal('event')
  })

  it('keeps what only the provider knows to itself, whatever the provider calls it', () => {
    expect(kindOf(anEvent({ event_type: 'provider_chunk', content_type: 'message' }))).to.equal('silent')
  })
})
