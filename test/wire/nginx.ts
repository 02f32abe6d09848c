/** Debian's nginx as a proxy on loopback, with a configuration of the test's own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tempFolder, until } from '../server/support.ts'

/** As non-root users have it in their PATH too rarely. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`

/** Why there is none, to skip with; false when there is one. */
export const nginxIsMissing: string | false =
  spawnSync('nginx', ['-v'], { env: { ...process.env, PATH } }).status === 0
    ? false
    : 'nginx is not installed'

/** A running nginx; see the module. */
export class Nginx {
  readonly #folder = tempFolder()
  readonly #upstream: string
  readonly #port: number
  readonly #child: ChildProcess

  private constructor(upstream: string, port: number, http: string) {
    this.#upstream = upstream
    this.#port = port
    this.#configure(http)
    const args = ['-c', this.#folder.path('nginx.conf'), '-e', this.#folder.path('error.log')]
    this.#child = spawn('nginx', args, { env: { ...process.env, PATH }, stdio: 'inherit' })
  }

  /** Starts one in front of `http://host:port`; `location` is what its `location` says beside `proxy_pass`. */
  static async start(upstream: string, location: string): Promise<Nginx> {
    const port = await freePort()
    const nginx = new Nginx(upstream, port, serverOf(upstream, port, location))
    await until(() => answers(port), 'nginx')
    return nginx
  }

  /** Starts one with what `http { … }` says beside the tests' own paths; it must listen on `port`. */
  static async startWith(http: string, port: number): Promise<Nginx> {
    const nginx = new Nginx('', port, http)
    await until(() => answers(port), 'nginx')
    return nginx
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Takes another configuration, as after `nginx -s reload`. */
  reload(location: string): void {
    this.#configure(serverOf(this.#upstream, this.#port, location))
    this.#child.kill('SIGHUP')
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.kill('SIGTERM')
    await ended
    this.#folder.remove()
  }

  #configure(http: string): void {
    const { path } = this.#folder
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${path(name)};`,
    )
    writeFileSync(
      path('nginx.conf'),
      `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${path('nginx.pid')};
worker_processes 1;
events { worker_connections 256; }
http {
  access_log off;
  ${temp.join('\n  ')}
  ${http}
}
`,
    )
  }
}

function serverOf(upstream: string, port: number, location: string): string {
  return `server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${upstream};
      ${location}
    }
  }`
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
