/**
 * Style of the indicator. It stands on its own ground, so it is readable over any page.
 *
 * @module
 */
import { css, type CSSResult } from 'lit'

export const indicatorStyles: CSSResult = css`
  .pill {
    --_surface: #fff;
    --_ink: #1c2127;
    --_soft: #5a6472;
    --_line: rgb(16 24 40 / 12%);
    --_accent: #2f5bd7;
    --_good: #17794a;
    --_bad: #b3261e;
    --_shade: rgb(16 24 40 / 14%);
  }
  @supports (color: light-dark(#000, #fff)) {
    .pill {
      --_surface: light-dark(#fff, #24272d);
      --_ink: light-dark(#1c2127, #eceef1);
      --_soft: light-dark(#5a6472, #a9b2bf);
      --_line: light-dark(rgb(16 24 40 / 12%), rgb(255 255 255 / 14%));
      --_accent: light-dark(#2f5bd7, #8fb0ff);
      --_good: light-dark(#17794a, #63d19c);
      --_bad: light-dark(#b3261e, #ff9a92);
      --_shade: light-dark(rgb(16 24 40 / 14%), rgb(0 0 0 / 45%));
    }
  }

  .pill {
    --_inset: var(--loomi-indicator-inset, 16px);
    position: fixed;
    z-index: var(--loomi-indicator-z-index, 1000);
    top: calc(var(--_inset) + env(safe-area-inset-top, 0px));
    right: calc(var(--_inset) + env(safe-area-inset-right, 0px));
    box-sizing: border-box;
    display: flex;
    align-items: center;
    gap: 8px;
    max-inline-size: min(26rem, calc(100vw - 2 * var(--_inset)));
    min-block-size: 36px;
    padding: 6px 14px 6px 11px;
    pointer-events: none;
    color: var(--loomi-indicator-color, var(--_ink));
    background: var(--loomi-indicator-background, var(--_surface));
    border: 1px solid var(--_line);
    border-radius: var(--loomi-indicator-radius, 18px);
    box-shadow:
      0 1px 2px var(--_shade),
      0 6px 20px -4px var(--_shade);
    font: var(--loomi-indicator-font, 500 13px/1.35 system-ui, sans-serif);
    font-variant-numeric: tabular-nums;
    letter-spacing: 0.005em;
    text-align: start;
    animation: arrive 180ms ease-out;
  }
  .pill[data-corner^='bottom'] {
    top: auto;
    bottom: calc(var(--_inset) + env(safe-area-inset-bottom, 0px));
  }
  .pill[data-corner$='left'] {
    right: auto;
    left: calc(var(--_inset) + env(safe-area-inset-left, 0px));
  }

  .icon {
    flex: none;
    inline-size: 16px;
    block-size: 16px;
    fill: none;
    stroke: var(--_soft);
    stroke-width: 1.6;
    stroke-linecap: round;
    stroke-linejoin: round;
  }
  .rail {
    stroke: var(--_line);
  }
  .spin {
    stroke: var(--loomi-accent, var(--_accent));
    transform-origin: 8px 8px;
    animation: turn 900ms linear infinite;
  }
  .arc {
    stroke: var(--loomi-accent, var(--_accent));
    stroke-width: 2;
    stroke-dasharray: 100;
    rotate: -90deg;
    transform-origin: 8px 8px;
    transition: stroke-dashoffset 120ms linear;
  }
  .tick {
    stroke: var(--_good);
    stroke-width: 2;
    stroke-dasharray: 16;
    animation: draw 260ms ease-out;
  }
  .pill[data-kind='failed'] .icon {
    stroke: var(--_bad);
  }
  .label {
    min-inline-size: 0;
    overflow-wrap: anywhere;
  }

  .pill button {
    flex: none;
    pointer-events: auto;
    margin-inline: 4px -8px;
    padding: 4px 10px;
    min-block-size: 26px;
    color: var(--loomi-accent, var(--_accent));
    background: color-mix(in srgb, currentColor 10%, transparent);
    border: 0;
    border-radius: 13px;
    font: inherit;
    font-weight: 600;
    cursor: pointer;
  }
  .pill button:hover {
    background: color-mix(in srgb, currentColor 17%, transparent);
  }
  .pill button:focus-visible {
    outline: 2px solid currentColor;
    outline-offset: 1px;
  }

  .pill[data-kind='caught-up'] {
    animation: leave 240ms ease-in 1750ms forwards;
  }

  @keyframes arrive {
    from {
      opacity: 0;
      translate: 0 -6px;
    }
  }
  @keyframes leave {
    to {
      opacity: 0;
      translate: 0 -6px;
    }
  }
  @keyframes turn {
    to {
      rotate: 1turn;
    }
  }
  @keyframes draw {
    from {
      stroke-dashoffset: 16;
    }
  }

  @media (prefers-reduced-motion: reduce) {
    .pill,
    .pill[data-kind='caught-up'],
    .tick,
    .spin {
      animation: none;
    }
    .arc {
      transition: none;
    }
  }
  @media (forced-colors: active) {
    .pill {
      border-color: CanvasText;
    }
    .arc,
    .spin {
      stroke: Highlight;
    }
  }
`
