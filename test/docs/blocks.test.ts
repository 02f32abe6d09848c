import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { blocksOf, DocPage } from './blocks.ts'

const TEXT = `# Page

\`\`\`ts
const a = 1

const b = 2
\`\`\`

| word | meaning |
| --- | --- |
| \`a\` | one, or \`b\` |
| b | two |

~~~~
\`\`\`
not a block
\`\`\`
~~~~
`

describe('a documentation page', () => {
  it('gives its blocks with language, text and line', () => {
    assert.deepEqual(blocksOf(TEXT), [
      { language: 'ts', text: 'const a = 1\n\nconst b = 2', line: 3 },
      { language: '', text: '```\nnot a block\n```', line: 14 },
    ])
  })

  it('names the blocks that nobody has claimed', () => {
    const page = new DocPage('page.md', TEXT)
    assert.equal(page.claim('ts', 'const b'), 'const a = 1\n\nconst b = 2')
    assert.deepEqual(page.unclaimed, ['page.md:14 '])
  })

  it('refuses a claim that fits no block, or more than one', () => {
    const page = new DocPage('page.md', `${TEXT}${TEXT}`)
    assert.throws(() => page.claim('js', 'const b'), /0 js blocks/)
    assert.throws(() => page.claim('ts', 'const b'), /2 ts blocks/)
    assert.equal(page.unclaimed.length, 4)
  })

  it('refuses a fence that is never closed', () => {
    assert.throws(() => blocksOf('```ts\nconst a = 1\n'), /line 1 is never closed/)
  })

  it('gives the rows of a table', () => {
    assert.deepEqual(new DocPage('page.md', TEXT).table('word'), [
      ['a', 'one, or `b`'],
      ['b', 'two'],
    ])
  })
})
