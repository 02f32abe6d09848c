/**
 * Fills a clone of a page's `<template>`: `data-bind="event.agent_source"` sets an element's text. Text is
 * all that it ever sets, so an event cannot bring markup into the page.
 *
 * @module
 */
import { growText } from './growing-text.ts'

/** A filled clone. */
export interface BoundClone {
  /** The clone's nodes; empty once they have been inserted. */
  readonly content: DocumentFragment
  /** Fills the same nodes again; whatever the reader opened or selected in them stays. */
  readonly update: (scope: object) => void
}

/**
 * Clones `template` and fills its `[data-bind]` elements from `scope`. A path that leads nowhere gives '';
 * objects are shown as JSON. Elements bound to `text` keep its line breaks, unless they are styled inline.
 */
export function bindClone(template: HTMLTemplateElement, scope: object): BoundClone {
  const content = template.ownerDocument.importNode(template.content, true)
  const bound = [...content.querySelectorAll<HTMLElement>('[data-bind]')].map((element) => bind(element))
  const update = (next: object): void => {
    for (const { node, path } of bound) growText(node, print(lookUp(next, path)))
  }
  update(scope)
  return { content, update }
}

function bind(element: HTMLElement): { node: Text; path: readonly string[] } {
  const name = element.dataset['bind']!.trim()
  if (name === 'text') element.style.whiteSpace ||= 'pre-wrap'
  const node = element.ownerDocument.createTextNode('')
  element.replaceChildren(node)
  return { node, path: name.split('.') }
}

/** Own properties only: `data-bind="event.constructor"` finds nothing. */
function lookUp(scope: unknown, path: readonly string[]): unknown {
  let value = scope
  for (const name of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

function print(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return `${value}`
  return value === undefined || value === null ? '' : JSON.stringify(value)
}
