/**
 * The pace of the scripted agent: an answer as the drafts it emits, each with the time before it.
 *
 * @module
 */
import type { Draft } from '../server/drafts.ts'

/** One piece of an answer. */
export type Piece =
  | { readonly thought: string }
  | { readonly message: string }
  | { readonly plan: readonly [string, string, string, string] }
  /** `takesMs`: milliseconds until the result is there. */
  | { readonly tool: string; readonly input: string; readonly output: string; readonly takesMs: number }

/** A draft, and the milliseconds to wait before it. */
export interface Beat {
  readonly afterMs: number
  readonly draft: Draft
}

const TOKEN_MS = 22
const TOKEN_JITTER_MS = 38
const COMMA_MS = 110
const SENTENCE_MS = 420
const PIECE_MS = 800

/** Said first when a question matches no answer. */
const EXCUSE: Piece = {
  thought: 'I am a scripted agent and have no words for that one. What I can do is go on with Lisbon.',
}

/** The beats of an answer. */
export function* beatsOf(answer: readonly Piece[], isMatch: boolean): Generator<Beat> {
  for (const [index, piece] of (isMatch ? answer : [EXCUSE, ...answer]).entries())
    yield* beatsOfPiece(piece, `${index}`)
}

function* beatsOfPiece(piece: Piece, part: string): Generator<Beat> {
  if ('thought' in piece)
    yield* spoken(piece.thought, { content_type: 'thought', agent_source: 'loomi', part })
  else if ('message' in piece) {
    for (const [index, paragraph] of piece.message.split('\n\n').entries()) {
      yield* spoken(paragraph, {
        content_type: 'concierge_message',
        agent_source: 'concierge',
        part: `${part}/${index}`,
      })
    }
  } else if ('plan' in piece) {
    yield {
      afterMs: PIECE_MS,
      draft: {
        event_type: 'loomi_plan_concierge',
        agent_source: 'concierge',
        event_data: { steps: piece.plan },
      },
    }
  } else {
    const { tool: name, input, output, takesMs } = piece
    yield { afterMs: PIECE_MS, draft: { event_type: 'tool_call', event_data: { name, input } } }
    yield { afterMs: takesMs, draft: { event_type: 'tool_result', event_data: { name, output } } }
  }
}

function* spoken(text: string, of: Pick<Draft, 'content_type' | 'agent_source' | 'part'>): Generator<Beat> {
  const tokens = tokensOf(text)
  let before = ''
  for (const [index, token] of tokens.entries()) {
    const afterMs = index === 0 ? PIECE_MS : TOKEN_MS + Math.random() * TOKEN_JITTER_MS + breath(before)
    before = token
    yield {
      afterMs,
      draft: { event_type: 'llm_chunk', ...of, event_data: token, part_done: index === tokens.length - 1 },
    }
  }
}

/** Words, the long ones in two, as a language model would stream them. */
function tokensOf(text: string): readonly string[] {
  return text.match(/\s*\S{1,7}/gu) ?? [text]
}

function breath(before: string): number {
  if (/[.?!:]$/.test(before)) return SENTENCE_MS
  return /[,;–]$/.test(before) ? COMMA_MS : 0
}
