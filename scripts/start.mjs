/**
 * `npm start`: installs and builds when that is needed, then serves the demo. The server prints its URL itself.
 *
 * @module
 */
import { build, install, node, run } from './project.mjs'

// npm starts this from a shell that keeps SIGTERM to itself: when the shell is gone, so is who asked for the demo.
const parent = process.ppid
setInterval(() => process.ppid !== parent && process.kill(process.pid, 'SIGTERM'), 500).unref()

try {
  await install()
  await build()
  const { code } = await run(node, ['dist/server/cli.js', 'serve', '--demo'])
  process.exitCode = code
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
