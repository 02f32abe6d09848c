/**
 * `npm start`: installs and builds when that is needed, then serves the demo. The server prints its URL itself.
 *
 * @module
 */
import { build, install, node, run } from './project.mjs'

try {
  await install()
  await build()
  const { code } = await run(node, ['dist/server/cli.js', 'serve', '--demo'])
  process.exitCode = code
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
