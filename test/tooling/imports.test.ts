import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A line that a file might hold, and whether the linter lets it stand there. */
type Case = readonly [file: string, line: string, verdict: 'fair' | 'forbidden']

const CASES: readonly Case[] = [
  ['server/protocol.ts', "export * from './log.ts'", 'forbidden'],
  ['server/protocol.ts', "export * from 'hono'", 'forbidden'],

  ['server/routes.ts', "export * from './protocol.ts'", 'fair'],
  ['server/routes.ts', "export * from 'hono'", 'fair'],
  ['server/routes.ts', "export * from '../elements/strings.ts'", 'forbidden'],
  ['server/routes.ts', "export * from '../elements/client/index.ts'", 'forbidden'],
  ['server/routes.ts', "export * from '../sw/index.ts'", 'forbidden'],
  ['server/routes.ts', "export * from 'lit'", 'forbidden'],
  ['server/routes.ts', "export * from 'node:fs'", 'forbidden'],
  ['server/routes.ts', 'export const env = process.env', 'forbidden'],
  ['server/adapters/openai-chat.ts', "export * from 'node:fs'", 'forbidden'],
  ['server/stores/sqlite.ts', "export * from 'node:sqlite'", 'fair'],
  ['server/stores/sqlite.ts', 'export const env = process.env', 'fair'],
  ['server/stores/sqlite.ts', "export * from '../../elements/strings.ts'", 'forbidden'],
  ['server/cli.ts', "export * from 'node:util'", 'fair'],
  ['server/cli/serve.ts', "export * from 'node:util'", 'fair'],
  ['server/cli/serve.ts', "export * from '../../sw/index.ts'", 'forbidden'],
  ['server/node-sink.ts', "export * from 'node:http'", 'fair'],

  ['elements/loomi-recovery.ts', "export * from '../server/protocol.ts'", 'fair'],
  ['elements/loomi-recovery.ts', "export * from '../sw/index.ts'", 'fair'],
  ['elements/loomi-recovery.ts', "export * from './client/index.ts'", 'fair'],
  ['elements/loomi-recovery.ts', "export * from 'lit'", 'fair'],
  ['elements/loomi-recovery.ts', "export * from '../server/log.ts'", 'forbidden'],
  ['elements/loomi-recovery.ts', "export type * from '../server/stores/sqlite.ts'", 'forbidden'],
  [
    'elements/loomi-recovery.ts',
    "export const late = (): unknown => import('../server/log.ts')",
    'forbidden',
  ],

  ['elements/client/connection.ts', "export * from '../../server/protocol.ts'", 'fair'],
  ['elements/client/connection.ts', "export * from './pacer.ts'", 'fair'],
  ['elements/client/connection.ts', "export * from 'eventsource-parser'", 'fair'],
  ['elements/client/connection.ts', "export * from '../../server/log.ts'", 'forbidden'],
  ['elements/client/connection.ts', "export * from '../indicator.ts'", 'forbidden'],
  ['elements/client/connection.ts', "export * from '../../sw/index.ts'", 'forbidden'],
  ['elements/client/connection.ts', "export * from 'lit/html.js'", 'forbidden'],
  ['elements/client/connection.ts', 'export const title = document.title', 'forbidden'],
  ['elements/client/connection.ts', 'export const width = window.innerWidth', 'forbidden'],
  ['elements/client/connection.ts', 'export const online = navigator.onLine', 'forbidden'],

  ['sw/worker-side/install.ts', "export * from '../../server/protocol.ts'", 'fair'],
  ['sw/worker-side/install.ts', "export * from '../cursor-store.ts'", 'fair'],
  ['sw/cursor-store.ts', "export * from 'idb'", 'fair'],
  ['sw/worker-side/install.ts', "export * from '../../server/log.ts'", 'forbidden'],
  ['sw/worker-side/install.ts', "export * from '../../elements/strings.ts'", 'forbidden'],
  ['sw/heartbeat.ts', "export * from '../elements/client/index.ts'", 'forbidden'],
  ['sw/heartbeat.ts', "export * from 'lit'", 'forbidden'],
]

describe('the linter guards who may import whom', () => {
  let folder = ''
  let reported = new Set<string>()

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'loomi-imports-'))
    cpSync(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const lines = new Map<string, string[]>()
    for (const [file, line] of CASES) lines.set(file, [...(lines.get(file) ?? []), line])
    for (const [file, content] of lines) {
      mkdirSync(join(folder, dirname(file)), { recursive: true })
      writeFileSync(join(folder, file), `${content.join('\n')}\n`)
    }
    reported = lint(folder)
  })

  after(() => rmSync(folder, { recursive: true }))

  for (const [file, line, verdict] of CASES) {
    it(`${file}: ${line} is ${verdict}`, () => {
      const inFile = CASES.filter(([other]) => other === file).map(([, text]) => text)
      assert.equal(reported.has(`${file}:${inFile.indexOf(line) + 1}`), verdict === 'forbidden')
    })
  }
})

/** The places, as `file:line`, that a restriction was reported at. */
function lint(cwd: string): Set<string> {
  const { stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['--format', 'unix'], {
    cwd,
    encoding: 'utf8',
  })
  const found = stdout.matchAll(/^([^:\n]+:\d+):.*\(no-restricted-(?:imports|globals)\)\]$/gm)
  const places = new Set([...found].map((match) => match[1]!))
  assert.notEqual(places.size, 0, `oxlint found nothing: ${stdout}${stderr}`)
  return places
}
