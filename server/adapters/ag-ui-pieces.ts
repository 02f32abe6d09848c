/**
 * What comes in pieces over AG-UI: texts, thoughts and the input of tool calls, by START, CONTENT or ARGS and END
 * events, or by CHUNK events alone (https://docs.ag-ui.com/spec/1.0/basic/patterns/streaming).
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import { Parts } from './parts.ts'
import { said, toolCall } from './shapes.ts'
import { ToolCalls } from './tool-calls.ts'
import { type Fields, parsed, partWord, stringOf } from './values.ts'

/** What an event is a piece of. */
export type Family = 'TEXT_MESSAGE' | 'REASONING_MESSAGE' | 'TOOL_CALL'

/** Who says something; undefined is the run's own agent. */
export type Speaker = string | undefined

/** The texts and calls of one stream. */
export class Pieces {
  readonly #parts = new Parts()
  readonly #calls = new ToolCalls()
  readonly #toolNames = new Map<string, string>()
  /** Who speaks in a slot. Only its first event tells; when a message is opened again that still stands. */
  readonly #speakers = new Map<string, Speaker>()
  /** How many parts each message has. */
  readonly #counts = new Map<string, number>()
  /** What was written in a slot: a snapshot says it again. */
  readonly #texts = new Map<string, string>()
  /** What each agent writes by CHUNK events, which need not name it again. The run's own agent is ''. */
  readonly #lanes = new Map<string, { readonly family: Family; readonly id: string }>()

  /** A START, CONTENT, ARGS or END event. */
  read(family: Family, verb: string, chunk: Fields, speaker: Speaker): Draft[] {
    return this.#read(family, verb, idOf(family, chunk), chunk, speaker)
  }

  /** A CHUNK event: it stands for a START, if need be, and for a piece. */
  readShort(family: Family, chunk: Fields, speaker: Speaker): Draft[] {
    const named = idOf(family, chunk)
    const lane = this.#laneOf(family, named, stringOf(chunk['subagentRunId']))
    const open = this.#lanes.get(lane)
    const verb = family === 'TOOL_CALL' ? 'ARGS' : 'CONTENT'
    if (open?.family === family && (named === '' || named === open.id))
      return this.#read(family, verb, open.id, chunk, speaker)
    const ended = this.endShort(lane)
    this.#lanes.set(lane, { family, id: named })
    return [
      ...ended,
      ...this.#read(family, 'START', named, chunk, speaker),
      ...this.#read(family, verb, named, chunk, speaker),
    ]
  }

  /** Ends what an agent writes by CHUNK events, which have no END. */
  endShort(lane: string): Draft[] {
    const open = this.#lanes.get(lane)
    this.#lanes.delete(lane)
    return open ? this.#read(open.family, 'END', open.id, {}, undefined) : []
  }

  /** As {@link endShort}, for all agents. */
  endAllShort(): Draft[] {
    return [...this.#lanes.keys()].flatMap((lane) => this.endShort(lane))
  }

  /** A whole text, of which only what is missing is told. */
  tell(family: Family, id: string, whole: string, speaker: Speaker): Draft[] {
    const slot = `${family}/${id}`
    if (!this.#speakers.has(slot)) this.#speakers.set(slot, speaker)
    return [...this.#write(family, id, this.#untold(slot, whole)), ...this.#parts.end(slot)]
  }

  /** A whole call, which is told once. */
  tellCall(id: string, name: string, input: string, speaker: Speaker): Draft[] {
    if (this.#toolNames.has(id)) return []
    this.#toolNames.set(id, name)
    return by(speaker, [toolCall(id, name, parsed(input))])
  }

  /** The name of the tool that a call is to. */
  toolOf(callId: string): string | undefined {
    return this.#toolNames.get(callId)
  }

  /** Ends everything. */
  finish(): Draft[] {
    return [...this.endAllShort(), ...this.#parts.endAll(), ...this.#calls.cutAll()]
  }

  #read(family: Family, verb: string, id: string, chunk: Fields, speaker: Speaker): Draft[] {
    const slot = `${family}/${id}`
    if (verb === 'START') this.#speakers.set(slot, this.#speakers.get(slot) ?? speaker)
    if (family !== 'TOOL_CALL')
      return verb === 'CONTENT' ? this.#write(family, id, stringOf(chunk['delta'])) : this.#parts.end(slot)
    switch (verb) {
      case 'START': {
        const cut = this.#calls.cut(id)
        this.#toolNames.set(id, stringOf(chunk['toolCallName']))
        this.#calls.add(id, { id, name: this.toolOf(id) })
        return by(speaker, cut)
      }
      case 'ARGS':
        this.#calls.add(id, { id, name: this.toolOf(id), text: chunk['delta'] })
        return []
      default:
        return by(this.#speakers.get(slot), this.#calls.end(id))
    }
  }

  #write(family: Family, id: string, text: string): Draft[] {
    if (text === '') return []
    const slot = `${family}/${id}`
    const kind = family === 'TEXT_MESSAGE' ? 'message' : 'thought'
    const newName = (): string => this.#newPart(partWord(id, kind))
    this.#texts.set(slot, (this.#texts.get(slot) ?? '') + text)
    return this.#parts.delta(slot, kind, text, newName, this.#speakers.get(slot))
  }

  /** A message may be opened again, and a thought may have its id, so parts are counted. */
  #newPart(message: string): string {
    const index = this.#counts.get(message) ?? 0
    this.#counts.set(message, index + 1)
    return `${message}/${index}`
  }

  /** What is missing of a whole text. Frameworks are known to give a message another id in the end. */
  #untold(slot: string, whole: string): string {
    const told = this.#texts.get(slot)
    if (told === undefined) return [...this.#texts.values()].includes(whole) ? '' : whole
    return whole.startsWith(told) ? whole.slice(told.length) : ''
  }

  /** Where a CHUNK event goes on: where its id is, else with the agent that it names, else in the only place there is. */
  #laneOf(family: Family, id: string, agent: string): string {
    const fitting = [...this.#lanes].flatMap(([lane, open]) =>
      open.family === family && (id === '' || id === open.id) ? [lane] : [],
    )
    const [first = agent] = fitting
    if (id !== '') return first
    return agent === '' && fitting.length === 1 ? first : agent
  }
}

/** Says of events who says them. */
export function by(speaker: Speaker, drafts: readonly Draft[]): Draft[] {
  return drafts.map((draft) => said(draft, speaker))
}

function idOf(family: Family, chunk: Fields): string {
  return stringOf(chunk[family === 'TOOL_CALL' ? 'toolCallId' : 'messageId'])
}
