/**
 * Registers the service worker. Loaded lazily: the page does not wait for it.
 *
 * @module
 */
import { Workbox } from 'workbox-window'

/** Why there is no service worker. The heartbeat then goes without one. */
export type RegistrationErrorCode = 'sw_unsupported' | 'sw_failed' | 'sw_timeout'

export class RegistrationError extends Error {
  override readonly name = 'RegistrationError'
  readonly code: RegistrationErrorCode

  constructor(code: RegistrationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Workbox leaves listeners behind that nobody can take off, so each script is registered once per page. */
const registrations = new Map<string, Promise<ServiceWorkerRegistration>>()

/**
 * Registers `{base}/sw.js` at its default scope `{base}/`, which leaves the page uncontrolled and other
 * service workers alone, and waits until it is active.
 *
 * @param base absolute address without a slash at its end
 * @param timeoutMs milliseconds to wait for an active service worker
 * @throws RegistrationError
 */
export function register(base: string, timeoutMs = 5000): Promise<ServiceWorkerRegistration> {
  const known = registrations.get(base)
  if (known) return known
  const registering = registerOnce(base, timeoutMs)
  registrations.set(base, registering)
  registering.catch(() => registrations.delete(base))
  return registering
}

async function registerOnce(base: string, timeoutMs: number): Promise<ServiceWorkerRegistration> {
  if (!isSupported()) {
    throw new RegistrationError(
      'sw_unsupported',
      'This page may not use service workers (they need https or localhost): the heartbeat goes without one.',
    )
  }
  const done = new AbortController()
  const tooLate = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => {
      reject(
        new RegistrationError(
          'sw_timeout',
          `${base}/sw.js was not active after ${timeoutMs} ms: the heartbeat goes without it.`,
        ),
      )
    }, timeoutMs)
    done.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  })
  try {
    return await Promise.race([activated(base, done.signal), tooLate])
  } catch (cause) {
    if (cause instanceof RegistrationError) throw cause
    throw new RegistrationError(
      'sw_failed',
      `${base}/sw.js could not be registered: it must be served from this origin, as JavaScript, without a redirect.`,
      { cause },
    )
  } finally {
    done.abort()
  }
}

async function activated(base: string, signal: AbortSignal): Promise<ServiceWorkerRegistration> {
  const workbox = new Workbox(`${base}/sw.js`, { updateViaCache: 'none' })
  const registration = await workbox.register({ immediate: true })
  if (!registration) throw new Error('no registration')
  // A first service worker is `active` already while it activates, but only an activated one is given new clients.
  const worker = registration.active ?? registration.installing ?? registration.waiting
  await new Promise<void>((resolve, reject) => {
    const check = (): void => {
      if (registration.active?.state === 'activated') resolve()
      else if (!worker || worker.state === 'redundant') reject(new Error('the script failed to install'))
    }
    worker?.addEventListener('statechange', check, { signal })
    check()
  })
  return registration
}

function isSupported(): boolean {
  try {
    // In a sandboxed frame the name is there, and reading it throws.
    return Boolean(navigator.serviceWorker)
  } catch {
    return false
  }
}
