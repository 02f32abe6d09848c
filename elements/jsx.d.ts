/**
 * `loomi-recovery/jsx`: the tag for React 19, which sets properties and listens to events of custom elements
 * by itself. Import it once: `import type {} from 'loomi-recovery/jsx'`.
 */
import type { DetailedHTMLProps, HTMLAttributes } from 'react'
import type { LoomiEventMap, LoomiRecovery } from './index.ts'

type Settings =
  | 'base'
  | 'token'
  | 'credentials'
  | 'history'
  | 'startAfter'
  | 'indicator'
  | 'paused'
  | 'getToken'
  | 'renderers'
  | 'strings'

type Attributes = {
  'session-id'?: string
  'user-id'?: string
  'heartbeat-ms'?: number
  'replay-ms'?: number
  'replay-budget-ms'?: number
}

type Listeners = { [Name in keyof LoomiEventMap as `on${Name}`]?: (event: LoomiEventMap[Name]) => void }

interface Props
  extends
    DetailedHTMLProps<HTMLAttributes<LoomiRecovery>, LoomiRecovery>,
    Partial<Pick<LoomiRecovery, Settings>>,
    Attributes,
    Listeners {}

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'loomi-recovery': Props
    }
  }
}
