/**
 * The dedicated worker of `{base}/worker.js`.
 *
 * @module
 */
import { runHeartbeatWorker } from './worker-side/heartbeat-worker.ts'

declare const self: DedicatedWorkerGlobalScope

runHeartbeatWorker(self)
