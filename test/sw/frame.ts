/**
 * The script of `/loomi-frame`: another document with a heartbeat of its own.
 *
 * @module
 */
import { startHeartbeat } from '../../sw/index.ts'

Object.assign(globalThis, { startHeartbeat })
globalThis.dispatchEvent(new Event('loomi-ready'))
