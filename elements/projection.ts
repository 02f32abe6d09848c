/**
 * Items that the page draws itself, by a renderer or a `<template slot>`: they live as children of the host, where
 * the page's own styles reach them, and are projected to their place through a slot each.
 *
 * @module
 */
import { render as litRender, type TemplateResult } from 'lit'
import type { Item } from './client/index.ts'
import { kindOf } from './kinds.ts'
import { bindClone } from './template-binding.ts'

/** Draws one item; called again when it has grown. What it returns goes in as a node or as text, never as markup. */
export type Renderer = (item: Item, element: HTMLElement) => Node | TemplateResult | string

/** Renderers by `content_type` or by kind; the `content_type` wins. */
export type Renderers = Readonly<Record<string, Renderer>>

interface Projected {
  item: Item
  readonly slot: string
  readonly wrapper: HTMLElement
  readonly draw: (item: Item) => void
}

/** The projected items of one host. How an item is drawn is decided when it first appears, and kept. */
export class Projection {
  readonly #host: HTMLElement
  readonly #entries = new Map<string, Projected | null>()
  #slots = 0

  constructor(host: HTMLElement) {
    this.#host = host
  }

  /** The name of the slot that shows an item; null for items that have the element's own look. */
  slotOf(item: Item): string | null {
    return this.#entries.get(item.id)?.slot ?? null
  }

  /** Brings the host's children in line with `items`. */
  update(items: readonly Item[], renderers: Renderers): void {
    let templates: ReadonlyMap<string, HTMLTemplateElement> | null = null
    const added = this.#host.ownerDocument.createDocumentFragment()
    for (const item of items) {
      const known = this.#entries.get(item.id)
      if (known === undefined) {
        templates ??= templatesOf(this.#host)
        const entry = this.#project(item, renderers, templates)
        this.#entries.set(item.id, entry)
        if (entry) added.append(entry.wrapper)
      } else if (known && known.item !== item) {
        known.item = item
        mark(known.wrapper, item)
        known.draw(item)
      }
    }
    this.#host.append(added)
    if (this.#entries.size > items.length) this.#sweep(new Set(items.map((item) => item.id)))
  }

  #project(
    item: Item,
    renderers: Renderers,
    templates: ReadonlyMap<string, HTMLTemplateElement>,
  ): Projected | null {
    const names = [item.event.content_type, kindOf(item.event)]
    const renderer = names.map((name) => own(renderers, name)).find(Boolean)
    const template = names.map((name) => templates.get(name)).find(Boolean)
    if (!renderer && !template) return null

    const wrapper = this.#host.ownerDocument.createElement('div')
    const slot = `item-${++this.#slots}`
    wrapper.slot = slot
    wrapper.dataset['loomiItem'] = ''
    mark(wrapper, item)
    const draw = renderer ? this.#renderInto(wrapper, renderer) : cloneInto(wrapper, template!)
    draw(item)
    return { item, slot, wrapper, draw }
  }

  #renderInto(wrapper: HTMLElement, renderer: Renderer): (item: Item) => void {
    return (item) => {
      try {
        litRender(renderer(item, this.#host), wrapper)
      } catch (error) {
        // An app's mistake in one bubble must not cost the others; its text is better than nothing.
        reportError(error)
        litRender(item.text, wrapper)
      }
    }
  }

  #sweep(kept: ReadonlySet<string>): void {
    for (const [id, entry] of this.#entries) {
      if (kept.has(id)) continue
      entry?.wrapper.remove()
      this.#entries.delete(id)
    }
  }
}

/** A name that comes from an event must not find `constructor` in an app's plain object. */
function own(renderers: Renderers, name: string): Renderer | undefined {
  return Object.hasOwn(renderers, name) ? renderers[name] : undefined
}

function templatesOf(host: HTMLElement): ReadonlyMap<string, HTMLTemplateElement> {
  const found = new Map<string, HTMLTemplateElement>()
  for (const child of host.children) if (child instanceof HTMLTemplateElement) found.set(child.slot, child)
  return found
}

function cloneInto(wrapper: HTMLElement, template: HTMLTemplateElement): (item: Item) => void {
  let update: ((item: Item) => void) | null = null
  return (item) => {
    try {
      if (update) return update(item)
      const clone = bindClone(template, item)
      update = clone.update
      wrapper.replaceChildren(clone.content)
    } catch (error) {
      // Data that can't be printed cost no more than a renderer's mistake does.
      reportError(error)
      update = null
      wrapper.replaceChildren(item.text)
    }
  }
}

function mark(wrapper: HTMLElement, item: Item): void {
  wrapper.dataset['phase'] = item.phase
  wrapper.toggleAttribute('data-unseen', item.unseen)
}
