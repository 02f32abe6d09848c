/**
 * The LangChain messages of one stream: what of each was told, whether it came in pieces, whole, or both.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { Json } from '../protocol.ts'
import { type Answer, isTold, newAnswer, newName, sumOf } from './langchain-answer.ts'
import type { CallPiece, Message, TextPiece } from './langchain-message.ts'
import { ToolRuns } from './langchain-tools.ts'
import { Parts, type TextKind } from './parts.ts'
import { said, toolCall, toolResult, usage } from './shapes.ts'
import { ToolCalls } from './tool-calls.ts'
import { type Fields, fieldsOf, isFields, parsed, partWord, stringOf } from './values.ts'

/** How a message that came whole compares with what was told of it. */
export interface Whole {
  readonly drafts: Draft[]
  /** It says something else than was told, as when a node rewrites what its model said. */
  readonly differs: boolean
}

/** Tells each message once. */
export class Answers {
  readonly #parts = new Parts()
  readonly #calls = new ToolCalls()
  readonly #answers = new Map<string, Answer>()
  readonly #runs = new ToolRuns()

  /** Whether anything was told of the message under this key. */
  has(key: string): boolean {
    return this.#answers.has(key)
  }

  /** What a piece of a message adds. */
  delta(key: string, message: Message, source?: string): Draft[] {
    const answer = this.#answer(key, source)
    const drafts = message.texts.flatMap((piece) => this.#text(answer, piece))
    for (const call of message.calls) drafts.push(...this.#callPiece(answer, call))
    drafts.push(...this.#others(answer, message))
    if (message.usage) drafts.push(...this.#addCounts(answer, message.usage))
    if (message.ends) drafts.push(...this.#end(answer))
    return drafts
  }

  /** What a message adds that comes whole, or as whole as it is by now when it `goesOn`. */
  whole(key: string, message: Message, source?: string, goesOn = false): Whole {
    const answer = this.#answer(key, source)
    const { drafts, differs } = this.#missing(answer, message.texts)
    drafts.push(...this.#others(answer, message))
    this.#setCalls(answer, message.calls)
    if (message.usage && !answer.isCounted) answer.counts = message.usage
    if (!goesOn || message.ends) drafts.push(...this.#end(answer))
    return { drafts, differs }
  }

  /** The end of a message. */
  end(key: string): Draft[] {
    const answer = this.#answers.get(key)
    return answer ? this.#end(answer) : []
  }

  /** A tool that begins to run, unless its call was told. `callId` is '' when the report does not name the call. */
  toolStart(run: string, callId: string, name: string, input: Json, source?: string): Draft[] {
    const ended = this.#endAt((call) => (callId === '' ? call.name === name : call.id === callId))
    const { id, isKnown } = this.#runs.started(run, callId, name, input)
    return isKnown ? ended : [...ended, said(toolCall(id, name, input), source)]
  }

  /** The id of the call that a tool's run answers. */
  callOf(run: string): string {
    return this.#runs.callOf(run)
  }

  /** What a tool answered, once. */
  result({ id, name, output, more }: Message['result'], source?: string): Draft[] {
    const ended = id === '' ? [] : this.#endAt((call) => call.id === id)
    const draft = toolResult(id, name, output, more)
    return this.#isNews(draft) ? [...ended, said(draft, source)] : ended
  }

  /** The end of all that is open. */
  finish(): Draft[] {
    return [...this.#answers.values()].flatMap((answer) => {
      const cut = [...answer.open].flatMap((slot) => {
        const call = this.#calls.at(slot)
        // No beginning of an object is one itself: what can be read is whole, though nobody said so.
        if (!call || isFields(parsed(call.text || '-'))) return []
        this.#calls.drop(slot)
        answer.open.delete(slot)
        return [said(toolCall(call.id, call.name, call.text, { incomplete: true }), answer.source)]
      })
      return [...this.#end(answer), ...cut]
    })
  }

  #answer(key: string, source: string | undefined): Answer {
    const known = this.#answers.get(key)
    if (known) {
      known.source ??= source
      return known
    }
    const slot = String(this.#answers.size)
    const answer = newAnswer(partWord(key, 'message'), slot, source)
    this.#answers.set(key, answer)
    return answer
  }

  #text(answer: Answer, { kind, text, block }: TextPiece): Draft[] {
    if (text === '') return []
    const isNext = block !== undefined && answer.block !== undefined && block !== answer.block
    const goesOn = this.#parts.kindAt(answer.slot) === kind && !isNext
    const ended = goesOn ? [] : this.#parts.end(answer.slot)
    answer.block = goesOn ? (block ?? answer.block) : block
    answer.texts[kind] += text
    const newPart = (): string => newName(answer, block)
    return [...ended, ...this.#parts.delta(answer.slot, kind, text, newPart, answer.source)]
  }

  /** What the deltas did not bring. */
  #missing(answer: Answer, texts: readonly TextPiece[]): Whole {
    const drafts: Draft[] = []
    const skip = { thought: 0, message: 0, refusal: 0 }
    let differs = false
    for (const kind of Object.keys(skip) as TextKind[]) {
      const all = texts.map((piece) => (piece.kind === kind ? piece.text : '')).join('')
      const isSame = all.startsWith(answer.texts[kind])
      // Without a thought it is no other one: many do not keep it.
      if (!isSame && (all !== '' || kind === 'message')) differs = true
      skip[kind] = isSame ? answer.texts[kind].length : Infinity
    }
    for (const { kind, text, ...more } of texts) {
      const rest = text.slice(Math.min(skip[kind], text.length))
      skip[kind] -= text.length - rest.length
      drafts.push(...this.#text(answer, { kind, text: rest, ...more }))
    }
    return { drafts, differs }
  }

  #callPiece(answer: Answer, call: CallPiece): Draft[] {
    const slot = `${answer.slot}/${call.index ?? 'alone'}`
    const before = this.#calls.at(slot)
    const isNew = before !== undefined && before.id !== '' && call.id !== '' && before.id !== call.id
    const ended = isNew ? this.#endCall(answer, slot) : []
    if (isTold(answer, call)) return ended
    this.#calls.add(slot, call)
    answer.open.add(slot)
    // Without an index it is not meant to be continued.
    const isWhole = call.index === undefined && isFields(parsed(call.text))
    return isWhole ? [...ended, ...this.#endCall(answer, slot)] : ended
  }

  /** Calls that came whole take the place of what there is of them. */
  #setCalls(answer: Answer, calls: readonly CallPiece[]): void {
    for (const slot of answer.open) {
      const id = this.#calls.at(slot)?.id
      if (!slot.includes('/whole ') && !calls.some((call) => call.id === id)) continue
      this.#calls.drop(slot)
      answer.open.delete(slot)
    }
    for (const [index, call] of calls.entries()) {
      if (isTold(answer, call)) continue
      this.#calls.add(`${answer.slot}/whole ${index}`, call)
      answer.open.add(`${answer.slot}/whole ${index}`)
    }
  }

  #others(answer: Answer, { others }: Message): Draft[] {
    return others.flatMap((draft) => {
      const text = JSON.stringify(draft)
      if (answer.told.has(text)) return []
      answer.told.add(text)
      if (draft.event_type !== 'tool_result') return [said(draft, answer.source)]
      // A tool of the provider's own: its message goes on, but its input is whole.
      const { id } = fieldsOf(draft.event_data)
      const slots = [...answer.open].filter((slot) => this.#calls.at(slot)?.id === id)
      const ended = slots.flatMap((slot) => this.#endCall(answer, slot))
      return this.#isNews(draft) ? [...ended, said(draft, answer.source)] : ended
    })
  }

  /** Counts come in pieces that add up, as LangChain’s own sum does; they are told at the end, or when they come after it. */
  #addCounts(answer: Answer, counts: Fields): Draft[] {
    answer.counts = sumOf(answer.counts ?? {}, counts)
    return answer.hasEnded ? this.#tellCounts(answer) : []
  }

  #tellCounts(answer: Answer): Draft[] {
    const { counts } = answer
    answer.counts = null
    answer.isCounted ||= counts !== null
    return counts ? [said(usage(counts), answer.source)] : []
  }

  #end(answer: Answer): Draft[] {
    answer.hasEnded = true
    return [
      ...this.#parts.end(answer.slot),
      ...[...answer.open].flatMap((slot) => this.#endCall(answer, slot)),
      ...this.#tellCounts(answer),
    ]
  }

  #endCall(answer: Answer, slot: string): Draft[] {
    answer.open.delete(slot)
    return this.#calls.end(slot).map((draft) => {
      const call = fieldsOf(draft.event_data)
      const [id, name, input] = [stringOf(call['id']), stringOf(call['name']), call['input'] as Json]
      answer.told.add(id === '' ? `call ${name} ${JSON.stringify(input)}` : `id ${id}`)
      this.#runs.called(id, name, input)
      return said(draft, answer.source)
    })
  }

  #isNews(result: Draft): boolean {
    const { id, output } = fieldsOf(result.event_data)
    return this.#runs.isNews(stringOf(id), output as Json)
  }

  /** A message with a call that runs is at its end, though nobody said so. */
  #endAt(isMeant: (call: { readonly id: string; readonly name: string }) => boolean): Draft[] {
    return [...this.#answers.values()]
      .filter(({ open }) => [...open].some((slot) => isMeant(this.#calls.at(slot) ?? { id: '', name: '' })))
      .flatMap((answer) => this.#end(answer))
  }
}
