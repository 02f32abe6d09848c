/**
 * Text that grows without being replaced, so that a reader's selection in it survives each delta.
 *
 * @module
 */
import { directive, Directive, type DirectiveResult } from 'lit/directive.js'

/** Makes a text node say `value`, by adding to it where it can. */
export function growText(node: Text, value: string): void {
  if (node.data === value) return
  if (value.startsWith(node.data)) node.appendData(value.slice(node.data.length))
  else node.data = value
}

class GrowingText extends Directive {
  #node: Text | null = null

  override render(value: string): Text {
    this.#node ??= document.createTextNode('')
    growText(this.#node, value)
    return this.#node
  }
}

/** Lit directive: a text that is grown in place instead of set anew. */
export const growingText: (value: string) => DirectiveResult = directive(GrowingText)
