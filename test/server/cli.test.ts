import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net from 'node:net'
import { after, describe, it } from 'node:test'
import { Processes } from './processes.ts'
import { tempFolder, until } from './support.ts'

describe('loomi-recovery', { timeout: 60_000 }, () => {
  const processes = new Processes()
  const folder = tempFolder()
  after(async () => {
    await processes.end()
    folder.remove()
  })
  const FEED = ['feed', '--session', 's', '--user', 'u']

  it('--help tells its commands and flags', async () => {
    for (const args of [['--help'], ['serve', '--help']]) {
      const { code, out } = await processes.run(args)
      assert.equal(code, 0)
      for (const word of ['serve', 'feed', '--port', '--store', '--speed', '--run', 'LOOMI_SECRET'])
        assert.ok(out.includes(word), word)
    }
  })

  it('without a command tells them too, and that this was a mistake', async () => {
    const { code, out } = await processes.run([])
    assert.equal(code, 2)
    assert.match(out, /loomi-recovery serve/)
  })

  const mistakes: [string, string[], RegExp, Record<string, string>?][] = [
    ['an unknown command', ['observe'], /no command "observe".*serve, feed, /],
    ['an unknown flag', ['serve', '--prot', '1'], /'--prot'.*--help/],
    ['a stray word', ['serve', 'now'], /'now'.*--help/],
    ['a flag without its value', ['serve', '--port'], /--port.*--help/],
    ['a port that is none', ['serve', '--port', '70000'], /--port.*0 to 65535/],
    ['a PORT that is none', ['serve'], /PORT.*0 to 65535/, { PORT: 'eighty' }],
    ['a feed without a session', ['feed', '--user', 'u'], /--session ID is needed/],
    ['a feed without a user', ['feed', '--session', 's'], /--user ID is needed/],
    [
      'a user that is none',
      [...FEED.slice(0, 3), '--user', 'x'.repeat(129)],
      /--user ID is needed: 1 to 128/,
    ],
    ['an empty run', [...FEED, '--run', ''], /--run/],
    [
      'a store that no URL of this version names',
      ['serve', '--store', 'mysql://x'],
      /No store for "mysql:".*sqlite:PATH/,
    ],
    ['a speed that is none', [...FEED, '--speed', 'fast'], /--speed is max, realtime or a number/],
    ['a speed of nothing', [...FEED, '--speed', '0'], /--speed/],
    [
      'a host that is not this machine’s',
      ['serve', '--host', '203.0.113.1', '--port', '0'],
      /Cannot listen on 203\.0\.113\.1/,
      { LOOMI_SECRET: 'a secret of good length' },
    ],
  ]
  describe('given a mistake', { concurrency: 2 }, () => {
    for (const [name, args, message, env] of mistakes) {
      it(`ends with 2 and a line that says what to do for ${name}`, async () => {
        const { code, err, out } = await processes.run(args, env && { env })
        assert.equal(code, 2, err)
        assert.match(err, message)
        assert.equal(err.trim().split('\n').length, 1)
        assert.equal(out, '')
      })
    }
  })

  it('refuses to serve other machines without a secret, naming the ways out', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.5']) {
      const { code, err } = await processes.run(['serve', '--host', host, '--port', '0'])
      assert.equal(code, 2)
      for (const way of ['LOOMI_SECRET', 'authorize', 'leave --host out']) assert.ok(err.includes(way), way)
    }
  })

  it('refuses a secret that is too short', async () => {
    const { code, err } = await processes.run(
      ['serve', '--host', '0.0.0.0', '--port', '0', '--store', ':memory:'],
      {
        env: { LOOMI_SECRET: 'short' },
      },
    )
    assert.equal(code, 2)
    assert.match(err, /at least 16 characters/)
  })

  it('serves other machines with a secret, and then only those with a ticket', async () => {
    const server = await processes.serve(':memory:', ['--port', '0', '--host', '0.0.0.0'], {
      LOOMI_SECRET: 'a secret of good length',
    })
    const port = new URL(server.base).port
    const response = await fetch(`http://127.0.0.1:${port}/api/loomi/stream/s?user_id=ada`)
    assert.equal(response.status, 401)
    server.child.kill('SIGKILL')
  })

  const stores: [string, () => string, RegExp][] = [
    ['a folder', () => folder.path(''), /Cannot open the log at/],
    [
      'below a file',
      () => {
        writeFileSync(folder.path('file'), '')
        return folder.path('file/log.db')
      },
      /Cannot open the log at .*Give a path/,
    ],
    [
      'no database',
      () => {
        writeFileSync(folder.path('notes.txt'), 'notes '.repeat(1000))
        return folder.path('notes.txt')
      },
      /not a database/,
    ],
  ]
  for (const [name, store, message] of stores) {
    it(`ends with one line when the store is ${name}, for both commands`, async () => {
      const url = store()
      for (const args of [['serve', '--port', '0'], FEED]) {
        const { code, err } = await processes.run([...args, '--store', url], { input: '{"choices":[]}\n' })
        assert.equal(code, 1, err)
        assert.match(err, message)
        assert.equal(err.trim().split('\n').length, 1, err)
      }
    })
  }

  describe('when the port is taken', () => {
    async function taken(): Promise<{ port: number; release: () => void }> {
      const server = net.createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return { port: (server.address() as net.AddressInfo).port, release: () => server.close() }
    }

    it('ends and says so when exactly that one was asked for', async () => {
      const { port, release } = await taken()
      const { code, err } = await processes.run(['serve', '--store', ':memory:', '--port', String(port)])
      assert.equal(code, 2)
      assert.match(err, new RegExp(`127\\.0\\.0\\.1:${port} \\(EADDRINUSE\\).*--port 0`))
      release()
    })

    it('takes the next free one when nobody asked', async () => {
      const { port, release } = await taken()
      const server = await processes.serve(':memory:', [], { PORT: String(port) })
      const chosen = Number(new URL(server.base).port)
      assert.ok(chosen > port && chosen <= port + 50, `${chosen} for ${port}`)
      assert.equal((await fetch(`${server.base}/heartbeat`)).status, 404)
      server.child.kill('SIGKILL')
      release()
    })
  })

  describe('told to end', () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      it(`by ${signal} ends its streams and itself within 6 s, with code 0`, async () => {
        const server = await processes.serve(folder.path(`${signal}.db`))
        const response = await fetch(`${server.base}/stream/s?user_id=ada`)
        const reader = response.body!.getReader()
        await reader.read()
        const started = Date.now()
        server.child.kill(signal)
        while (!(await reader.read()).done);
        assert.equal(await server.ended, 0)
        assert.ok(Date.now() - started < 6000)
        assert.equal(server.err, '')
      })
    }

    it('ends also with a reader that never reads, and one that keeps its connection', async () => {
      const server = await processes.serve(folder.path('stubborn.db'))
      const { port } = new URL(server.base)
      const socket = net.connect({ port: Number(port), host: '127.0.0.1' })
      socket.on('error', () => undefined)
      socket.pause()
      socket.write(`GET /api/loomi/stream/s?user_id=ada HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      const idle = net.connect({ port: Number(port), host: '127.0.0.1' })
      idle.on('error', () => undefined)
      await until(() => socket.bytesWritten > 0 && !idle.connecting, 'the connections')
      const started = Date.now()
      server.child.kill('SIGTERM')
      assert.equal(await server.ended, 0)
      assert.ok(Date.now() - started < 6000)
      socket.destroy()
      idle.destroy()
    })
  })
})
