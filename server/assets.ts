/**
 * The files of the page that the route serves beside its two endpoints.
 *
 * @module
 */

/** A file ready to be sent. */
export interface Asset {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly type: string
  readonly etag: string
  /** Its name carries a hash of its content. */
  readonly immutable: boolean
}

const NAMES = /^(loomi-recovery\.js|sw\.js|worker\.js|assets\/[\w-]+-[\w-]{8}\.js)(\.map)?$/

/**
 * Reads a file of the package's browser folder, once. Names other than the page's own are not found, so nothing else
 * of the disk can be asked for. On runtimes without a file system nothing is found: serve the folder there as static files.
 */
export function assetReader(folder: URL): (path: string) => Promise<Asset | null> {
  const cache = new Map<string, Asset>()
  return async function readAsset(path) {
    if (!NAMES.test(path)) return null
    const known = cache.get(path)
    if (known) return known
    const bytes = await readBytes(new URL(path, folder))
    if (!bytes) return null
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    const asset: Asset = {
      bytes,
      type: path.endsWith('.map') ? 'application/json' : 'text/javascript; charset=utf-8',
      etag: `"${Array.from(digest.slice(0, 12), (byte) => byte.toString(16).padStart(2, '0')).join('')}"`,
      immutable: path.startsWith('assets/'),
    }
    cache.set(path, asset)
    return asset
  }
}

async function readBytes(url: URL): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const { readFile } = await import('node:fs/promises')
    return new Uint8Array(await readFile(url))
  } catch {
    return null
  }
}
