/**
 * Style of the transcript. Font and colour are the page's; everything else is mixed from them, so it fits a
 * light page and a dark one.
 *
 * @module
 */
import { css, type CSSResult } from 'lit'

export const transcriptStyles: CSSResult = css`
  :host {
    display: block;
    --_muted: var(--loomi-muted, color-mix(in srgb, currentColor 74%, transparent));
    --_line: var(--loomi-line, color-mix(in srgb, currentColor 16%, transparent));
    --_tint: var(--loomi-bubble, color-mix(in srgb, currentColor 8%, transparent));
  }
  :host([hidden]) {
    display: none;
  }

  .log {
    line-height: 1.55;
  }
  /* Margins and not a flex gap: in a flow a growing last item costs no layout of all the others. */
  .item {
    margin-block-start: var(--loomi-gap, 1em);
    overflow-wrap: anywhere;
  }
  .item:first-child {
    margin-block-start: 0;
  }
  .item:is([data-phase='live'], [data-phase='replay']):not([data-sudden]) {
    animation: appear 160ms ease-out;
  }
  .text {
    white-space: pre-wrap;
    max-inline-size: var(--loomi-measure, 70ch);
  }

  .message[data-open] .text::after {
    content: '';
    display: inline-block;
    inline-size: 2px;
    block-size: 1.05em;
    margin-inline-start: 0.2em;
    vertical-align: -0.16em;
    border-radius: 1px;
    background: currentColor;
    opacity: 0.6;
  }

  .thought {
    font-size: 0.875em;
    color: var(--_muted);
  }
  .thought summary {
    inline-size: fit-content;
    display: flex;
    align-items: center;
    gap: 0.5em;
    padding-block: 0.15em;
    border-radius: 4px;
    font-weight: 500;
    list-style: none;
    cursor: pointer;
    user-select: none;
  }
  .thought summary::-webkit-details-marker {
    display: none;
  }
  .thought summary::before {
    content: '';
    inline-size: 0.38em;
    block-size: 0.38em;
    margin-inline: 0.12em 0.05em;
    border: solid currentColor;
    border-width: 0 1.5px 1.5px 0;
    rotate: -45deg;
    transition: rotate 120ms ease-out;
  }
  .thought details[open] summary::before {
    rotate: 45deg;
    translate: 0 -0.1em;
  }
  .thought summary:focus-visible {
    outline: 2px solid currentColor;
    outline-offset: 2px;
  }
  .thought .text {
    margin-block-start: 0.25em;
    padding-inline-start: 0.95em;
    border-inline-start: 2px solid var(--_line);
    margin-inline-start: 0.22em;
  }

  .user {
    display: flex;
    justify-content: flex-end;
  }
  .item + .user {
    margin-block-start: calc(var(--loomi-gap, 1em) * 1.75);
  }
  .bubble {
    max-inline-size: min(85%, 56ch);
    padding: 0.55em 1em;
    background: var(--_tint);
    border-radius: var(--loomi-radius, 1.15em);
    border-end-end-radius: 0.4em;
  }

  .tool,
  .source,
  .event {
    display: flex;
    align-items: baseline;
    gap: 0.55em;
    min-inline-size: 0;
    font-size: 0.8125em;
    line-height: 1.4;
    color: var(--_muted);
  }
  .tool {
    box-sizing: border-box;
    inline-size: fit-content;
    max-inline-size: 100%;
    padding: 0.35em 0.75em;
    border: 1px solid var(--_line);
    border-radius: 0.6em;
  }
  .tool + .tool,
  .source + .source {
    margin-block-start: calc(var(--loomi-gap, 1em) / 2);
  }
  .name {
    flex: none;
    max-inline-size: 50%;
    overflow: hidden;
    text-overflow: ellipsis;
    font-weight: 600;
  }
  .name:empty {
    display: none;
  }
  .data {
    min-inline-size: 0;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }

  .source a {
    color: inherit;
    text-decoration-color: var(--_line);
    text-underline-offset: 0.2em;
  }
  .source a:hover {
    text-decoration-color: currentColor;
  }

  .notice,
  .error,
  .dropped,
  .run_end {
    display: flex;
    align-items: center;
    gap: 0.9em;
    font-size: 0.8125em;
    color: var(--_muted);
    text-align: center;
  }
  :is(.notice, .error, .dropped, .run_end)::before,
  :is(.notice, .error, .dropped, .run_end)::after {
    content: '';
    flex: 1 1 1em;
    border-block-start: 1px solid var(--_line);
  }
  .words {
    max-inline-size: 75%;
    white-space: pre-line;
    text-wrap: balance;
  }

  .pending {
    display: flex;
    gap: 0.3em;
    padding-block: 0.5em;
    margin-block-start: var(--loomi-gap, 1em);
  }
  .pending i {
    inline-size: 0.38em;
    block-size: 0.38em;
    border-radius: 50%;
    background: currentColor;
    opacity: 0.25;
    animation: pulse 1.2s ease-in-out infinite;
  }
  .pending i:nth-child(2) {
    animation-delay: 0.15s;
  }
  .pending i:nth-child(3) {
    animation-delay: 0.3s;
  }

  @keyframes appear {
    from {
      opacity: 0;
    }
  }
  @keyframes pulse {
    40% {
      opacity: 0.75;
    }
  }
  @media (prefers-reduced-motion: no-preference) {
    :host(:state(live)) .message[data-open] .text::after {
      animation: pulse 1.1s ease-in-out infinite;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .item,
    .pending i {
      animation: none !important;
    }
    .thought summary::before {
      transition: none;
    }
  }
`
