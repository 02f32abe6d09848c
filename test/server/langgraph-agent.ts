/** A real LangGraph agent on a model that says what it is told to, for the tests of the adapter. */
import { dispatchCustomEvent } from '@langchain/core/callbacks/dispatch'
import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager'
import { BaseChatModel } from '@langchain/core/language_models/chat_models'
import {
  AIMessageChunk,
  type AIMessageChunkFields,
  type BaseMessage,
  HumanMessage,
} from '@langchain/core/messages'
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs'
import { tool } from '@langchain/core/tools'
import {
  Annotation,
  END,
  type LangGraphRunnableConfig,
  MessagesAnnotation,
  START,
  StateGraph,
} from '@langchain/langgraph'
import { ToolNode } from '@langchain/langgraph/prebuilt'
import { z } from 'zod'

/** A model that says these pieces, or all of them at once. */
class ScriptedModel extends BaseChatModel {
  readonly #pieces: () => AIMessageChunk[]

  constructor(pieces: () => AIMessageChunk[]) {
    super({})
    this.#pieces = pieces
  }

  override _llmType(): string {
    return 'scripted'
  }

  override _generate(): Promise<ChatResult> {
    const message = joined(this.#pieces())
    return Promise.resolve({ generations: [{ message, text: message.text }] })
  }

  override async *_streamResponseChunks(
    _messages: BaseMessage[],
    _options: this['ParsedCallOptions'],
    run?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    for (const message of this.#pieces()) {
      const chunk = new ChatGenerationChunk({ message, text: message.text })
      yield chunk
      await run?.handleLLMNewToken(message.text, undefined, undefined, undefined, undefined, { chunk })
    }
  }
}

/** What the first model says: a thought, a text, and a call. */
export const asking = (): AIMessageChunk[] => [
  new AIMessageChunk({ id: 'msg_1', content: [{ type: 'thinking', thinking: 'Hm', index: 0 }] }),
  new AIMessageChunk({ id: 'msg_1', content: [{ type: 'thinking', thinking: '…\r\n', index: 0 }] }),
  new AIMessageChunk({ id: 'msg_1', content: [{ type: 'text', text: 'Let me ', index: 1 }] }),
  new AIMessageChunk({ id: 'msg_1', content: [{ type: 'text', text: 'look 🌱\u0000', index: 1 }] }),
  new AIMessageChunk({
    id: 'msg_1',
    content: '',
    tool_call_chunks: [{ index: 2, id: 'call_1', name: 'look', args: '{"q":' }],
  }),
  new AIMessageChunk({
    id: 'msg_1',
    content: '',
    tool_call_chunks: [{ index: 2, args: '"moss"}' }],
    usage_metadata: { input_tokens: 3, output_tokens: 4, total_tokens: 7 },
  } as AIMessageChunkFields),
]

/** What the subgraph's model says, without an id. */
export const answering = (): AIMessageChunk[] =>
  ['It ', 'is ', 'green.'].map((content) => new AIMessageChunk({ content }))

/** The message that LangChain makes of pieces. */
export function joined(pieces: readonly AIMessageChunk[]): AIMessageChunk {
  return pieces.reduce((before, piece) => before.concat(piece))
}

type State = typeof MessagesAnnotation.State

function node(pieces: () => AIMessageChunk[]) {
  const model = new ScriptedModel(pieces)
  return async (state: State, config: LangGraphRunnableConfig) => ({
    messages: [await model.invoke(state.messages, config)],
  })
}

const look = tool(
  async ({ q }, config: LangGraphRunnableConfig) => {
    config.writer?.({ event_type: 'progress', event_data: q })
    config.writer?.(`looking at ${q}`)
    await dispatchCustomEvent('glance', { at: q }, config)
    return `found ${q}`
  },
  { name: 'look', description: 'Looks.', schema: z.object({ q: z.string() }) },
)

const team = new StateGraph(MessagesAnnotation)
  .addNode('writer', node(answering))
  .addEdge(START, 'writer')
  .addEdge('writer', END)
  .compile()

/** Asks, looks, plans, and lets a subgraph answer. */
export const agent = new StateGraph(Annotation.Root({ ...MessagesAnnotation.spec, plan: Annotation<string> }))
  .addNode('asker', node(asking))
  .addNode('tools', new ToolNode([look]))
  .addNode('planner', () => ({ plan: 'answer' }))
  .addNode('team', team)
  .addEdge(START, 'asker')
  .addEdge('asker', 'tools')
  .addEdge('tools', 'planner')
  .addEdge('planner', 'team')
  .addEdge('team', END)
  .compile()

/** What the agent is asked: earlier turns, and a question. */
export const input = (): { messages: BaseMessage[] } => ({
  messages: [
    new HumanMessage({ id: 'h1', content: 'Hello' }),
    new AIMessageChunk({ id: 'old', content: 'An answer of yesterday.' }),
    new HumanMessage({ id: 'h2', content: 'What of moss?' }),
  ],
})
