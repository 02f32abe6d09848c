/** What the tabs of one device share: how far the user has got, and the clock. */
import { type Cursor, parseCursor } from '../../server/protocol.ts'

/** See the module. */
export class Device {
  readonly name: string
  /** The displayed cursor, as the service worker keeps it. */
  displayed: Cursor | null = null
  /** Milliseconds that the device's clock is ahead of the server's. */
  skewMs: number

  constructor(name: string, skewMs: number) {
    this.name = name
    this.skewMs = skewMs
  }

  /** A view has displayed up to a place: the further one counts, and one of another log in any case; so does one that `restarts`. */
  display(cursor: Cursor, restarts: boolean): void {
    const [old, next] = [parseCursor(this.displayed ?? '0'), parseCursor(cursor)]
    if (restarts || !old || !next || old.epoch !== next.epoch || next.seq > old.seq) this.displayed = cursor
  }
}
