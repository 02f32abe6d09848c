/**
 * Which folder the script file came from: the route that serves it also serves the endpoints.
 *
 * @module
 */

/**
 * The folder of the running classic script, else of the page's first script whose name ends in
 * `/loomi-recovery.js`; null when there is none. To be called while the script runs.
 */
export function scriptBase(document: Document): string | null {
  const { currentScript } = document
  const running = currentScript && 'src' in currentScript ? currentScript.src : ''
  const source = running || [...document.scripts].map((script) => script.src).find(isOurs)
  return source ? new URL('.', source).href.replace(/\/$/, '') : null
}

function isOurs(source: string): boolean {
  return URL.canParse(source) && new URL(source).pathname.endsWith('/loomi-recovery.js')
}
