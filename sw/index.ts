/**
 * `loomi-recovery/sw`: the heartbeat of a page, and the one line for apps with a service worker of their own.
 *
 * @module
 */
export { forgetDevice } from './forget-device.ts'
export { startHeartbeat, type Heartbeat, type HeartbeatOptions } from './heartbeat.ts'
export { installLoomi, type InstallOptions } from './worker-side/install.ts'
