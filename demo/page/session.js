/** Which conversation this page shows, and the demo's own endpoints. */

const named = location.hash.slice(1)

/** The conversation's id, kept in the address, so that a reload and a second tab show the same one. */
export const session = /^[\w-]{1,64}$/.test(named) ? named : `lisbon-${randomWord()}`

history.replaceState(null, '', `#${session}`)
addEventListener('hashchange', () => location.reload())

/** Presses a button of the server; tells whether it heard. */
export async function post(path, body = {}) {
  try {
    const response = await fetch(`/demo/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ session, ...body }),
    })
    return response.ok
  } catch {
    return false
  }
}

/** How many events the log has, and which process serves; null while none does. */
export async function status() {
  try {
    const response = await fetch(`/demo/status/${session}`, { signal: AbortSignal.timeout(2000) })
    return response.ok ? await response.json() : null
  } catch {
    return null
  }
}

/** Resolves after some milliseconds. */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function randomWord() {
  return Array.from(crypto.getRandomValues(new Uint8Array(5)), (byte) => (byte % 36).toString(36)).join('')
}
