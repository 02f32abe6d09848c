/**
 * Signing out where no heartbeat runs: what the device keeps about a user goes all the same.
 *
 * @module
 */
import { createCursorStore } from './cursor-store.ts'

/** Drops what this device knows about all sessions of the user. Never rejects. */
export async function forgetDevice(userId: string): Promise<void> {
  const store = createCursorStore()
  try {
    await store.forget(userId)
  } catch {
    // Where there is no IndexedDB nothing was kept.
  } finally {
    store.close()
  }
}
