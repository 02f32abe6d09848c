/**
 * Updates of a graph's state: their messages are told as messages, what else is in them is kept.
 *
 * An update repeats what its node's models said, and that of a subgraph all that was ever said in the thread. So it is
 * kept without its messages, and not at all when it holds nothing else: shown twice they would be wrong, and stored
 * twice a waste. Without the messages mode they come from here alone, and are told from here.
 *
 * @module
 */
import type { Draft } from '../drafts.ts'
import type { Answers } from './langchain-answers.ts'
import { type Message, messageOf } from './langchain-message.ts'
import { type Place, sourceOf } from './langgraph-frame.ts'
import type { Keys } from './langgraph-keys.ts'
import { isFields, nameWord } from './values.ts'

/** What the reader knows. */
export interface Known {
  readonly answers: Answers
  readonly keys: Keys
  /** The stream has the messages mode too: what is new was told through it. */
  readonly hasMessagesMode: boolean
}

/** Tells the messages of an update. `rest` is what else it holds, undefined when that is nothing; `node` who made it, if it is one. */
export function restOfUpdates(
  update: unknown,
  place: Place,
  known: Known,
): { readonly drafts: Draft[]; readonly rest: unknown; readonly node: string | undefined } {
  const drafts: Draft[] = []
  if (!isFields(update)) return { drafts, rest: update, node: undefined }
  const nodes = Object.keys(update)
  const node = nodes.length === 1 ? nameWord(nodes[0], '') || undefined : undefined
  const rest: [string, unknown][] = []
  for (const name of nodes) {
    // A node that changed nothing.
    if ((update[name] ?? null) === null) continue
    const speaker = sourceOf(place, { langgraph_node: name })
    // What a person is asked about is not said yet.
    const left = name === '__interrupt__' ? update[name] : strip(update[name], known, speaker, drafts)
    if (left !== undefined) rest.push([name, left])
  }
  return { drafts, rest: rest.length > 0 ? Object.fromEntries(rest) : undefined, node }
}

/** Deeper than node, its list of commands, channel and list, no message is looked for. */
const MAX_DEPTH = 4

function strip(
  value: unknown,
  known: Known,
  speaker: string | undefined,
  drafts: Draft[],
  depth = 0,
): unknown {
  if (depth > MAX_DEPTH || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return stripList(value, known, speaker, drafts, depth)
  const message = messageOf(value, true)
  if (message) return tell(message, known, speaker, drafts) ? undefined : value
  if (!isPlain(value)) return value
  const entries = Object.entries(value).map(
    ([name, inner]) => [name, strip(inner, known, speaker, drafts, depth + 1)] as const,
  )
  const left = entries.filter(([, inner]) => inner !== undefined)
  return left.length > 0 || entries.length === 0 ? Object.fromEntries(left) : undefined
}

/**
 * A list that has messages after what a person said begins with history: the person's words are in the log, and so is
 * what came before them, from the run in which it was new. Of that, only what nothing else can have told is kept.
 */
function stripList(
  list: readonly unknown[],
  known: Known,
  speaker: string | undefined,
  drafts: Draft[],
  depth: number,
): unknown {
  const messages = list.map((item) => messageOf(item, true))
  const person = messages.findLastIndex((message) => message?.kind === 'other')
  const hasNews = messages.slice(person + 1).some((message) => message !== null)
  const left = list.flatMap((item, at) => {
    const message = messages[at]
    if (!message) {
      const rest = strip(item, known, speaker, drafts, depth + 1)
      return rest === undefined ? [] : [rest]
    }
    const isDone =
      at > person
        ? tell(message, known, speaker, drafts)
        : message.kind === 'other'
          ? hasNews
          : known.hasMessagesMode || isKnown(message, known)
    return isDone ? [] : [item]
  })
  return left.length > 0 || list.length === 0 ? left : undefined
}

/** Tells a message of the model or a tool; false when it must also be kept as it is. */
function tell(
  message: Message,
  { answers, keys }: Known,
  speaker: string | undefined,
  drafts: Draft[],
): boolean {
  if (message.kind === 'tool') drafts.push(...answers.result(message.result, speaker))
  if (message.kind !== 'ai') return message.kind === 'tool'
  const whole = answers.whole(keys.ofWhole(message), message, speaker)
  drafts.push(...whole.drafts)
  return !whole.differs
}

function isKnown(message: Message, { answers, keys }: Known): boolean {
  return message.kind === 'ai' && message.id !== '' && answers.has(keys.ofWhole(message))
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
