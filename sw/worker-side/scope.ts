/**
 * What the service worker's logic needs of its global scope, so little that a test in a page can be one.
 *
 * @module
 */

/** The part of `ServiceWorkerGlobalScope` that is listened to. */
export interface ListeningScope {
  readonly location: { readonly href: string }
  addEventListener(type: 'fetch', listener: (event: FetchLike) => void): void
  addEventListener(type: 'message', listener: (event: MessageLike) => void): void
}

/** The part of `FetchEvent` that is used. */
export interface FetchLike {
  readonly request: Request
  respondWith(response: Promise<Response>): void
  stopImmediatePropagation(): void
}

/** The part of `ExtendableMessageEvent` that is used. */
export interface MessageLike {
  readonly data: unknown
  readonly ports: readonly MessagePort[]
  waitUntil(done: Promise<unknown>): void
}
