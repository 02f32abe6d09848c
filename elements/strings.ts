/**
 * Every word that the element says by itself, so that an app can say it otherwise.
 *
 * @module
 */

/** The words of one element. Set only those that differ: `element.strings = { thinking: 'Denkt nach' }`. */
export interface Strings {
  /** Name of the transcript for screen readers. */
  readonly transcript: string
  /** Name of a user's bubble for screen readers. */
  readonly you: string
  /** Name of a message for screen readers. */
  readonly assistant: string
  /** Above a thought that is still growing. */
  readonly thinking: string
  /** Above a thought that has ended. */
  readonly thought: string
  /** Indicator while missed events are shown. */
  readonly catchingUp: (missed: number) => string
  /** Indicator after the last missed event. */
  readonly caughtUp: string
  /** What a screen reader says after the last missed event. */
  readonly caughtUpWith: (missed: number) => string
  /** Button that ends the pacing of a replay. */
  readonly showAll: string
  /** Indicator between two attempts. */
  readonly reconnecting: string
  /** Indicator while the server serves another window instead of this one. */
  readonly elsewhere: string
  /** Indicator while the device says that it has no network. */
  readonly offline: string
  /** Indicator when nothing more will be tried; `message` is the server's. */
  readonly failed: (message: string) => string
  /** Button that connects again. */
  readonly tryAgain: string
  /** In the transcript, where rows were pruned. */
  readonly gap: (from: number, to: number) => string
  /** In the transcript and said aloud, where events were taken back that could not be saved. */
  readonly unsaved: (count: number) => string
  /** In the transcript, where the log began again. */
  readonly reset: string
  /** In the transcript, where events could not be stored. */
  readonly dropped: (count: number) => string
  /** In the transcript, for what the provider said went wrong; `text` may be ''. */
  readonly error: (text: string) => string
  /** In the transcript, for a run that ended `failed`; `reason` may be ''. */
  readonly runFailed: (reason: string) => string
  /** In the transcript, for a run that ended `stopped`. */
  readonly runStopped: string
  /** In the transcript, for a run whose producer went away. */
  readonly runInterrupted: string
}

/** The words used unless the app sets others. */
export const ENGLISH: Strings = {
  transcript: 'Conversation',
  you: 'You',
  assistant: 'Assistant',
  thinking: 'Thinking',
  thought: 'Thought',
  catchingUp: (missed) => `Catching up · ${missed}`,
  caughtUp: 'Caught up',
  caughtUpWith: (missed) => `Caught up: ${missed} new ${missed === 1 ? 'event' : 'events'}`,
  showAll: 'Show all',
  reconnecting: 'Reconnecting…',
  elsewhere: 'Continued in another window',
  offline: 'Offline: will continue by itself',
  failed: (message) => message || 'The connection failed',
  tryAgain: 'Try again',
  gap: (from, to) =>
    from === to
      ? `Part of the history (event ${from}) is no longer kept.`
      : `Part of the history (events ${from} to ${to}) is no longer kept.`,
  unsaved: (count) =>
    count === 1 ? 'The last event was not kept.' : `The last ${count} events were not kept.`,
  reset: 'The history began anew here.',
  dropped: (count) =>
    count === 1 ? 'One event could not be stored.' : `${count} events could not be stored.`,
  error: (text) => text || 'Something went wrong.',
  runFailed: (reason) => (reason ? `The answer failed: ${reason}` : 'The answer failed.'),
  runStopped: 'The answer was stopped.',
  runInterrupted: 'The answer was interrupted.',
}
