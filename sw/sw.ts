/**
 * The service worker of `{base}/sw.js`. It holds nothing that an older one could have, so a new one takes over at once.
 *
 * @module
 */
import { installLoomi } from './worker-side/install.ts'

declare const self: ServiceWorkerGlobalScope

installLoomi(self, { base: new URL('.', self.location.href).href })
self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()))
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
