/** Caddy as a proxy on loopback, with a site of the test's own and a certificate that it issues itself. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { tempFolder, until } from '../server/support.ts'

/** Why there is none, to skip with; false when there is one. */
export const caddyIsMissing: string | false =
  spawnSync('caddy', ['version']).status === 0 ? false : 'Caddy is not installed'

/** Nothing but the site: no interface for administrators, no port 80, and the machine's own trust is left alone. */
const GLOBAL = `{
	admin off
	auto_https disable_redirects
	skip_install_trust
	log {
		level ERROR
	}
}

`

/** A running Caddy; see the module. */
export class Caddy {
  readonly #folder = tempFolder()
  readonly #child: ChildProcess
  #log = ''

  private constructor(site: string) {
    const { path } = this.#folder
    writeFileSync(path('Caddyfile'), GLOBAL + site)
    const env = { ...process.env, XDG_DATA_HOME: path('data'), XDG_CONFIG_HOME: path('config') }
    const args = ['run', '--adapter', 'caddyfile', '--config', path('Caddyfile')]
    this.#child = spawn('caddy', args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#log += text))
  }

  /** Starts one with a site, which must listen on `port`. */
  static async start(site: string, port: number): Promise<Caddy> {
    const caddy = new Caddy(site)
    try {
      await until(() => hasCertificate(port), 'Caddy')
    } catch (error) {
      await caddy.stop()
      throw new Error(`Caddy does not start:\n${caddy.#log}`, { cause: error })
    }
    return caddy
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGKILL')
    await ended
    this.#folder.remove()
  }
}

/** It listens before it has one. */
function hasCertificate(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', rejectUnauthorized: false })
    socket.on('secureConnect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('secureConnect', () => socket.destroy())
  })
}
