/**
 * How the indicator looks: a pill in a corner of the window, above the page and out of its layout.
 *
 * @module
 */
import { html, nothing, svg, type SVGTemplateResult, type TemplateResult } from 'lit'
import type { Indication } from './indicator.ts'
import type { Strings } from './strings.ts'

/** Where the indicator sits. `none` hides it. */
export type Corner = 'top-right' | 'top-left' | 'bottom-right' | 'bottom-left' | 'none'

/** What its buttons do. */
export interface IndicatorActions {
  readonly showAll: () => void
  readonly connect: () => void
}

type Shown = Exclude<Indication, { kind: 'none' }>

/** The words of an indication, '' when there is nothing to say. */
export function labelOf(indication: Indication, strings: Strings): string {
  switch (indication.kind) {
    case 'none':
      return ''
    case 'catching-up':
      return strings.catchingUp(indication.missed)
    case 'caught-up':
      return strings.caughtUp
    case 'reconnecting':
      return strings.reconnecting
    case 'elsewhere':
      return strings.elsewhere
    case 'offline':
      return strings.offline
    case 'failed':
      return strings.failed(indication.message)
  }
}

/** The pill for an indication; nothing for `none` and in the corner `none`. */
export function indicatorTemplate(
  indication: Indication,
  corner: Corner,
  strings: Strings,
  actions: IndicatorActions,
): TemplateResult | typeof nothing {
  if (indication.kind === 'none' || corner === 'none') return nothing
  return html`<div part="indicator" class="pill" data-kind=${indication.kind} data-corner=${corner}>
    <slot name="indicator">
      ${icon(indication)}
      <span class="label" part="indicator-label">${labelOf(indication, strings)}</span>
      ${button(indication, strings, actions)}
    </slot>
  </div>`
}

function button(
  { kind }: Indication,
  strings: Strings,
  actions: IndicatorActions,
): TemplateResult | typeof nothing {
  const [label, act] =
    kind === 'catching-up'
      ? [strings.showAll, actions.showAll]
      : kind === 'failed' || kind === 'elsewhere'
        ? [strings.tryAgain, actions.connect]
        : []
  if (!act) return nothing
  return html`<button type="button" part="indicator-button" @click=${act}>${label}</button>`
}

function icon(indication: Shown): TemplateResult {
  const drawing = indication.kind === 'catching-up' ? progress(indication) : ICONS[indication.kind]
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${drawing}</svg>`
}

function progress({ missed, caughtUp }: Extract<Indication, { kind: 'catching-up' }>): SVGTemplateResult {
  const left = 100 * (1 - Math.min(1, caughtUp / missed))
  return svg`<circle class="rail" cx="8" cy="8" r="6" />
    <circle class="arc" part="indicator-progress" cx="8" cy="8" r="6" pathLength="100" stroke-dashoffset=${left} />`
}

const ICONS: Record<Exclude<Shown['kind'], 'catching-up'>, SVGTemplateResult> = {
  reconnecting: svg`<circle class="rail" cx="8" cy="8" r="6" /><path class="spin" d="M8 2a6 6 0 0 1 6 6" />`,
  'caught-up': svg`<path class="tick" d="m3.2 8.4 3.2 3.2 6.4-7" />`,
  elsewhere: svg`<rect x="2" y="4.5" width="9" height="9" rx="1.5" /><path d="M5.5 2h7A1.5 1.5 0 0 1 14 3.5v7" />`,
  offline: svg`<path d="M1.8 6.2A9 9 0 0 1 5 4.3m3.6-.6a9 9 0 0 1 5.6 2.5M4 8.8a5.7 5.7 0 0 1 3-1.6m3.6.8A5.7 5.7 0 0 1 12 8.8M8 12.2v.01M2.5 1.8l11 12" />`,
  failed: svg`<circle cx="8" cy="8" r="6" /><path d="M8 4.8v3.7M8 11.1v.01" />`,
}
