/**
 * The three engines that the tests run in: which are here, and how to get them on Debian and Ubuntu.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, readdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { step } from './project.mjs'

export const ENGINES = ['chromium', 'firefox', 'webkit']

const MAC = '/Applications'
const NAMES = {
  chromium: [
    'chromium',
    'chromium-browser',
    'google-chrome-stable',
    'google-chrome',
    `${MAC}/Google Chrome.app/Contents/MacOS/Google Chrome`,
    `${MAC}/Chromium.app/Contents/MacOS/Chromium`,
  ],
  firefox: ['firefox-esr', 'firefox', `${MAC}/Firefox.app/Contents/MacOS/firefox`],
}
const APT = [
  'chromium',
  'firefox-esr',
  'webkit2gtk-driver',
  'xvfb',
  'fonts-dejavu-core',
  'nginx-light',
  'caddy',
  'postgresql',
  'pgbouncer',
  'python3-psycopg2',
]
const POSTGRES = '/usr/lib/postgresql'

/**
 * Finds an engine: `{ path }`, for WebKit with `miniBrowser` and `xvfb` (null when there is a display), or
 * `{ missing }`, which says what is wrong. CHROME_PATH, FIREFOX_PATH and WEBKIT_DRIVER win over the known names.
 */
export function findEngine(engine) {
  return engine === 'webkit' ? findWebKit() : findBrowser(engine)
}

/** Installs what is missing, as root on Debian and Ubuntu; elsewhere, or when that fails, does nothing. */
export async function installEngines() {
  if (hasServers() && ENGINES.every((engine) => !findEngine(engine).missing)) return
  if (process.getuid?.() !== 0 || !isDebian()) return
  const get = 'apt-get install -y -qq --no-install-recommends'
  // Ubuntu lacks some of them, and apt installs all or none.
  const each = `for package in ${APT.join(' ')}; do ${get} "$package" || true; done`
  // Its package is of one version of Postgres, which is known when that is here.
  const cron = `for folder in ${POSTGRES}/*/; do [ ! -d "$folder" ] || ${get} "postgresql-$(basename "$folder")-cron" || true; done`
  // The tests start their own databases: none is to run beside them.
  const conf = '/etc/postgresql-common/createcluster.conf'
  const noCluster = `{ [ -e ${conf} ] || { mkdir -p ${dirname(conf)} && echo create_main_cluster = false > ${conf}; }; }`
  const command = `${noCluster} && apt-get update -qq && { ${get} ${APT.join(' ')} || ${each}; } && { ${cron}; }`
  try {
    await step('Installing browsers and servers', 'sh', ['-c', command], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
    })
  } catch (error) {
    console.log(error.message)
  }
}

/** Whether the servers are here that tests start: proxies, a Postgres with pg_cron, and what a Python producer needs for it. */
function hasServers() {
  const hasProxies = ['nginx', 'caddy', 'pgbouncer'].every(
    (name) => which(name) ?? which(`/usr/sbin/${name}`),
  )
  const python = spawnSync('/usr/bin/python3', ['-c', 'import psycopg2'], { timeout: 20_000 })
  // Its client alone has a folder there, too.
  const versions = (existsSync(POSTGRES) ? readdirSync(POSTGRES) : []).filter((version) =>
    existsSync(join(POSTGRES, version, 'bin/postgres')),
  )
  const newest = versions.toSorted((a, b) => b - a)[0]
  const hasPostgres = existsSync(`/usr/share/postgresql/${newest}/extension/pg_cron.control`)
  return hasProxies && hasPostgres && python.status === 0
}

function findBrowser(engine) {
  const variable = engine === 'chromium' ? 'CHROME_PATH' : 'FIREFOX_PATH'
  const asked = process.env[variable]
  for (const name of asked ? [asked] : NAMES[engine]) {
    const path = which(name)
    // Ubuntu's packages of these names are stubs that only point to the snap: what runs, answers.
    if (path && spawnSync(path, ['--version'], { timeout: 20_000 }).status === 0) return { path }
  }
  return {
    missing: asked ? `${variable}=${asked} does not run` : `none found; install it or set ${variable}`,
  }
}

function findWebKit() {
  const path = which(process.env.WEBKIT_DRIVER ?? 'WebKitWebDriver')
  if (!path) return { missing: 'no WebKitWebDriver found; install webkit2gtk-driver or set WEBKIT_DRIVER' }
  const miniBrowser = findMiniBrowser()
  if (!miniBrowser) return { missing: 'WebKitWebDriver is here, but not the MiniBrowser that it drives' }
  const xvfb = process.env.DISPLAY ? null : which('Xvfb')
  if (!process.env.DISPLAY && !xvfb) return { missing: 'it needs a display: install xvfb or set DISPLAY' }
  return { path, miniBrowser, xvfb }
}

function findMiniBrowser() {
  for (const lib of ['/usr/lib', '/usr/libexec', '/usr/lib64']) {
    for (const folder of [lib, ...subfolders(lib)]) {
      for (const name of ['webkit2gtk-4.1', 'webkit2gtk-4.0', 'webkitgtk-6.0']) {
        const path = join(folder, name, 'MiniBrowser')
        if (existsSync(path)) return path
      }
    }
  }
  return null
}

function subfolders(folder) {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory() && entry.name.includes('-'))
    .map((entry) => join(folder, entry.name))
}

function which(name) {
  const folders = name.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter)
  for (const folder of folders) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  return null
}

function isDebian() {
  if (!existsSync('/etc/os-release') || !which('apt-get')) return false
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'))
}
