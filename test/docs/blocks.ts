/**
 * A documentation page taken apart: its fenced blocks, and which of them a test runs, and its tables.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A fenced block. */
export interface Block {
  readonly language: string
  readonly text: string
  /** Line of the opening fence, from 1. */
  readonly line: number
}

/** One page. A test claims each block that it runs, so that at the end {@link unclaimed} names those that none did. */
export class DocPage {
  readonly text: string
  readonly #name: string
  readonly #blocks: readonly Block[]
  readonly #claimed = new Set<Block>()

  /** `name` is only said in messages. Throws for a fence that is never closed. */
  constructor(name: string, text: string) {
    this.#name = name
    this.text = text
    this.#blocks = blocksOf(text)
  }

  /** Reads a page of the repository by its path from the root. */
  static read(path: string): DocPage {
    return new DocPage(path, readFileSync(join(import.meta.dirname, '../..', path), 'utf8'))
  }

  /** The text of the one block in `language` that holds a line beginning with `words`. Throws unless there is exactly one. */
  claim(language: string, words: string): string {
    const found = this.#blocks.filter(
      (block) => block.language === language && `\n${block.text}`.includes(`\n${words}`),
    )
    if (found.length !== 1) {
      throw new Error(
        `${this.#name} has ${found.length} ${language} blocks with a line "${words}…": a test needs exactly one.`,
      )
    }
    this.#claimed.add(found[0]!)
    return found[0]!.text
  }

  /** Where the blocks are that no test has claimed. */
  get unclaimed(): string[] {
    return this.#blocks
      .filter((block) => !this.#claimed.has(block))
      .map(({ language, line }) => `${this.#name}:${line} ${language}`)
  }

  /** The rows, as cells without their backticks at both ends, of the one table whose header begins with `name`. */
  table(name: string): string[][] {
    const lines = this.text.split('\n')
    const header = lines.findIndex((line) => line.startsWith(`| ${name} |`))
    if (header < 0) throw new Error(`${this.#name} has no table that begins with "${name}".`)
    const after = lines.slice(header + 2)
    const end = after.findIndex((line) => !line.startsWith('|'))
    return after.slice(0, end < 0 ? undefined : end).map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')),
    )
  }
}

/** The fenced blocks of a markdown text, in order. Throws for a fence that is never closed. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = []
  let open: { readonly fence: string; readonly block: Block; readonly lines: string[] } | null = null
  for (const [at, line] of markdown.split('\n').entries()) {
    const [, fence, language] = /^ {0,3}(`{3,}|~{3,})\s*(\S*)/.exec(line) ?? []
    if (open) {
      if (line.trim() !== open.fence) open.lines.push(line)
      else {
        blocks.push({ ...open.block, text: open.lines.join('\n') })
        open = null
      }
    } else if (fence) {
      open = { fence, block: { language: language ?? '', text: '', line: at + 1 }, lines: [] }
    }
  }
  if (open) throw new Error(`The fence in line ${open.block.line} is never closed.`)
  return blocks
}
