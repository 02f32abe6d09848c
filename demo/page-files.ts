/**
 * The demo's page: a few static files.
 *
 * @module
 */
import { readFile } from 'node:fs/promises'
import { Hono } from 'hono'

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

const HEADERS = {
  'Cache-Control': 'no-cache',
  'Content-Security-Policy':
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

/** Serves the files of `page/`; names with anything but letters and dashes before the ending are not found. */
export function pageFiles(): Hono {
  const app = new Hono()
  app.get('/:file{([a-z-]+\\.[a-z]+)?}', async (c) => {
    const name = c.req.param('file') || 'index.html'
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1)]
    const bytes =
      type === undefined ? null : await readFile(new URL(`./page/${name}`, import.meta.url)).catch(() => null)
    if (!bytes || type === undefined) return c.notFound()
    return c.body(new Uint8Array(bytes), 200, { 'Content-Type': type, ...HEADERS })
  })
  return app
}
