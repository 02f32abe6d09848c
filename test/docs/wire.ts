/**
 * Frames of a stream, read as any client may read them.
 */
import assert from 'node:assert/strict'
import type { Frame } from '../../server/protocol.ts'

/** A frame with its SSE id. */
export type Received = Frame & { readonly id: string | null }

/** Takes a stream's text apart. Fails for a frame that is not JSON with a `type`. */
export function framesOf(text: string): Received[] {
  const frames: Received[] = []
  for (const block of text.split('\n\n')) {
    const fields = new Map(block.split('\n').map((line) => [line.split(': ')[0], line.replace(/^\w+: /, '')]))
    const data = fields.get('data')
    if (data === undefined) continue
    const frame = JSON.parse(data) as Frame
    assert.equal(typeof frame.type, 'string', data)
    frames.push({ ...frame, id: fields.get('id') ?? null })
  }
  return frames
}

/** What a stream has now: its frames up to the end of the replay. */
export async function readNow(
  base: string,
  sessionId: string,
  query: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Received[]> {
  const response = await fetch(`${base}/stream/${sessionId}?follow=0&${query}`, { headers })
  assert.equal(response.status, 200, await response.clone().text())
  return framesOf(await response.text())
}

/** The texts of the events among frames, one after another. */
export function textsOf(frames: readonly Received[], contentType?: string): string {
  return frames
    .map((frame) => {
      if (frame.type !== 'event' || typeof frame.event_data !== 'string') return ''
      return contentType === undefined || frame.content_type === contentType ? frame.event_data : ''
    })
    .join('')
}
