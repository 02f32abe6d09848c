/** Supabase's own command line, fetched when a test wants it: 140 MB are too many for everybody. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { tempFolder } from '../server/support.ts'
import { MIGRATIONS } from './postgres.ts'

const VERSION = '3.1.0'
const PACKAGE = '@supabase/cli-linux-x64'
const CACHE = fileURLToPath(new URL(`../node_modules/.cache/supabase-cli-${VERSION}/`, import.meta.url))
const BINARY = join(CACHE, 'node_modules', PACKAGE, 'bin/supabase')

/** Why a test with it is skipped, false when it runs: in a pipeline, with the full tests, or when it is there already. */
export function withoutSupabaseCli(): string | false {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'fetched for Linux on x64 only'
  if (existsSync(BINARY) || process.env['CI'] === 'true' || process.env['LOOMI_TEST_FULL']) return false
  return 'Supabase’s command line (140 MB) is fetched with npm run test:full'
}

/** What a command said and how it ended. */
export interface CliAnswer {
  readonly code: number
  readonly out: string
}

/** A project folder with this package's migrations. */
export class SupabaseProject {
  readonly #folder = tempFolder()

  static async make(): Promise<SupabaseProject> {
    if (!existsSync(BINARY)) await fetchBinary()
    const project = new SupabaseProject()
    const { path } = project.#folder
    mkdirSync(path('supabase'), { recursive: true })
    writeFileSync(path('supabase/config.toml'), 'project_id = "loomi"\n')
    cpSync(MIGRATIONS, path('supabase/migrations'), { recursive: true })
    return project
  }

  /** Runs `supabase …args` on a database. */
  async run(args: readonly string[], database: string): Promise<CliAnswer> {
    const { path } = this.#folder
    // It keeps notes in the home folder, and would tell its makers of each run.
    const env = { ...process.env, HOME: path('home'), DO_NOT_TRACK: '1' }
    const target = [`--remote=${database}?sslmode=disable`, '--workdir', path('.')]
    return new Promise((resolve) => {
      execFile(BINARY, [...args, ...target], { env }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, out: stdout + stderr })
      })
    })
  }

  remove(): void {
    this.#folder.remove()
  }
}

async function fetchBinary(): Promise<void> {
  mkdirSync(CACHE, { recursive: true })
  writeFileSync(join(CACHE, 'package.json'), '{}')
  const args = [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    `${PACKAGE}@${VERSION}`,
  ]
  await promisify(execFile)('npm', args, { cwd: CACHE })
}
