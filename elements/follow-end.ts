/**
 * Keeps a scrolling element at its end, as long as the reader is there.
 *
 * @module
 */

/** Nearer than this counts as being at the end: momentum and zoom leave fractions. */
const NEAR_END_PX = 32

/** Runs `change`; an element that scrolls and was at its end is at its new end afterwards. */
export function followEnd(element: HTMLElement, change: () => void): void {
  const { overflowY } = getComputedStyle(element)
  const scrolls = overflowY === 'auto' || overflowY === 'scroll'
  const wasAtEnd = scrolls && element.scrollHeight - element.clientHeight - element.scrollTop < NEAR_END_PX
  change()
  if (wasAtEnd) element.scrollTop = element.scrollHeight
}
