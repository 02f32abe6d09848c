/**
 * What a page may be told about its heartbeat, with the way to mend it.
 *
 * @module
 */
import type { BeatError } from './post-beat.ts'

export const NO_BASE: BeatError = {
  code: 'bad_base',
  message: 'No heartbeat: `base` must be a path on an http(s) page, or an http(s) address.',
}

export const ROOT_BASE: BeatError = {
  code: 'sw_root',
  message:
    'A service worker at / would take the whole site: mount the route below a path such as /api/loomi to have one.',
}

export const NO_WORKER: BeatError = {
  code: 'worker_failed',
  message:
    '{base}/worker.js does not run as a worker (it needs the origin of the page and a CSP that allows it): the page itself beats, once a minute when it is hidden for long.',
}

export const NOT_KEPT: BeatError = {
  code: 'device_store_failed',
  message:
    'This browser keeps no data for the page (storage blocked or full): what was displayed is known to the server only.',
}
