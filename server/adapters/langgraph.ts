/**
 * LangGraph streams (https://docs.langchain.com/oss/javascript/langgraph/streaming): what `graph.stream` yields in one
 * mode or several, with subgraphs or without, what `streamEvents` v2 yields, what a LangChain model's own `stream`
 * yields, and all of it as the platform's servers send it.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { ChunkReader, Form, Outcome } from './adapter.ts'
import { guardedForm } from './guarded.ts'
import { Answers } from './langchain-answers.ts'
import { messageOf } from './langchain-message.ts'
import { readGraphEvent } from './langgraph-events.ts'
import { type Frame, frameOf, graphEvent, isMode, sourceOf } from './langgraph-frame.ts'
import { Keys } from './langgraph-keys.ts'
import { restOfUpdates } from './langgraph-updates.ts'
import { isOwnEvent, ownEvent } from './loomi-events.ts'
import { failed } from './outcomes.ts'
import { providerError, said, unknownChunk } from './shapes.ts'
import { fieldsOf, stringOf } from './values.ts'

export const langGraph: Form = guardedForm((chunk) => frameOf(chunk)?.isSure === true, graphReader)

function graphReader(): ChunkReader {
  const answers = new Answers()
  /** Who says a message, as the platform tells it beside the message. */
  const speakers = new Map<string, string>()
  const keys = new Keys()
  let hasMessagesMode = false
  /** The mode of a stream that has only one and does not name it. */
  let single: string | null = null
  let outcome: Outcome | null = null

  return {
    read(chunk) {
      const frame = frameOf(chunk, single)
      if (frame?.isBare) single ??= frame.mode
      return frame ? readFrame(frame, chunk) : [unknownChunk(chunk)]
    },
    finish: () => answers.finish(),
    outcome: () => outcome,
  }

  function readFrame(frame: Frame, chunk: unknown): Draft[] {
    const { mode, payload } = frame
    switch (mode) {
      case 'messages':
      case 'messages-tuple':
        return readMessage(frame) ?? [said(unknownChunk(chunk, mode), sourceOf(frame))]
      case 'messages/partial':
      case 'messages/complete':
        return (Array.isArray(payload) ? payload : [payload]).flatMap((item) =>
          tellWhole(item, frame, mode === 'messages/partial'),
        )
      case 'messages/metadata':
        for (const [id, about] of Object.entries(fieldsOf(payload))) {
          const speaker = sourceOf(frame, fieldsOf(fieldsOf(about)['metadata']))
          if (speaker !== undefined) speakers.set(id, speaker)
        }
        return []
      case 'updates': {
        const { drafts, rest, node } = restOfUpdates(payload, frame, { answers, keys, hasMessagesMode })
        return rest === undefined ? drafts : [...drafts, graphEvent(mode, rest, sourceOf(frame) ?? node)]
      }
      case 'custom':
        return [custom(payload, sourceOf(frame))]
      case 'events':
      case 'tools': {
        const drafts = readGraphEvent(payload, frame, { answers, keys, custom })
        if (drafts) return drafts
        return [mode === 'tools' ? graphEvent(mode, payload, sourceOf(frame)) : unknownChunk(payload)]
      }
      case 'error': {
        const { error, message } = fieldsOf(payload)
        outcome = failed(error)
        const text = stringOf(message) || stringOf(payload)
        return [said(providerError({ code: outcome.code, message: text }), sourceOf(frame))]
      }
      case 'metadata':
        return []
      case 'end':
        outcome ??= outcomeOf(fieldsOf(payload)['status'])
        return []
    }
    return [isMode(mode) ? graphEvent(mode, payload, sourceOf(frame)) : unknownChunk(chunk, mode)]
  }

  function readMessage(frame: Frame): Draft[] | null {
    const [item, metadata] = Array.isArray(frame.payload)
      ? (frame.payload as unknown[])
      : [frame.payload, null]
    const message = messageOf(item)
    if (!message) return null
    hasMessagesMode = true
    const speaker = sourceOf(frame, fieldsOf(metadata))
    if (message.kind === 'tool') return answers.result(message.result, speaker)
    // What people say is the app's to tell: it knows it before the graph does.
    if (message.kind === 'other') return [graphEvent('messages', item, speaker)]
    if (!message.isDelta) return tellWhole(item, frame, false, speaker)
    return answers.delta(keys.ofPiece(message, speaker), message, speaker)
  }

  function tellWhole(item: unknown, frame: Frame, goesOn: boolean, speaker?: string): Draft[] {
    const message = messageOf(item)
    const who = speaker ?? (message && speakers.get(message.id)) ?? sourceOf(frame)
    if (message?.kind === 'tool') return answers.result(message.result, who)
    if (message?.kind !== 'ai') return [graphEvent('messages', item, who)]
    const { drafts, differs } = answers.whole(keys.ofWhole(message), message, who, goesOn)
    return differs && !goesOn ? [...drafts, graphEvent('messages', item, who)] : drafts
  }

  function custom(payload: unknown, speaker: string | undefined): Draft {
    return isOwnEvent(payload) ? ownEvent(payload, speaker) : graphEvent('custom', payload, speaker)
  }
}

/** How a run of the platform ended. */
function outcomeOf(status: unknown): Outcome | null {
  if (status === 'error' || status === 'timeout') return failed(status)
  return status === 'interrupted' || status === 'rollback' ? { status: 'stopped', code: status } : null
}
