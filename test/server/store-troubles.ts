/** What can go wrong with a store while it is used, each done for real: how it breaks, how it is mended, what is said of it. */
import type { LoomiErrorCode } from '../../server/errors.ts'
import { freeze, thaw, withoutFrozenFiles, withoutSmallDisk } from '../databases/small-disk.ts'
import type { Needs, Place, PostgresPlace, SqlitePlace, SupabasePlace } from './store-places.ts'

/** One kind of trouble. */
export interface Trouble<P extends Place> {
  readonly what: string
  readonly needs?: Needs
  /** Why it can't be had here. */
  readonly skip?: string | false
  readonly breaks: (place: P) => unknown
  readonly mends: (place: P) => unknown
  /** What the operator hears. */
  readonly code: LoomiErrorCode
  readonly remedy: RegExp
}

/** Of a log file. */
export const SQLITE: readonly Trouble<SqlitePlace>[] = [
  {
    what: 'the disk is full',
    needs: { smallDisk: true },
    skip: withoutSmallDisk(),
    breaks: ({ disk }) => disk!.fill(),
    mends: ({ disk }) => disk!.free(),
    code: 'store_unavailable',
    remedy: /disk is full.*make room.*`retention`/,
  },
  {
    what: 'the file takes no changes',
    skip: withoutFrozenFiles(),
    breaks: ({ files }) => freeze(files),
    mends: ({ files }) => thaw(files),
    code: 'store_unavailable',
    remedy: /disk I\/O error.*mounted read-only/,
  },
]

/** Nothing answers any more. */
export const UNREACHABLE: Trouble<PostgresPlace> = {
  what: 'the server is stopped',
  breaks: ({ server }) => server.stop(),
  mends: ({ server }) => server.start(),
  code: 'store_unavailable',
  remedy: /Nothing answers.*tried again.*is the URL right/,
}

/** Of a database. */
export const POSTGRES: readonly Trouble<PostgresPlace>[] = [
  {
    what: 'the grants are taken away',
    breaks: ({ root }) =>
      root('revoke execute on all functions in schema public from public, app, service_role'),
    mends: ({ root }) => root('grant execute on all functions in schema public to app, service_role'),
    code: 'store_misconfigured',
    remedy: /permission denied.*grant OWNER to YOU/,
  },
  {
    what: 'the password is changed',
    needs: { ownRole: true },
    breaks: ({ rootAndHangUp }) => rootAndHangUp(`alter role server password 'another'`),
    mends: ({ rootAndHangUp }) => rootAndHangUp(`alter role server password 'server’s own'`),
    code: 'store_misconfigured',
    remedy: /28P01.*Give the right user and password/,
  },
  {
    what: 'a function of the migrations is gone',
    breaks: async ({ root, rootAndHangUp }) => {
      await root('alter function public.loomi_append rename to loomi_gone')
      await rootAndHangUp('')
    },
    mends: ({ root }) => root('alter function public.loomi_gone rename to loomi_append'),
    code: 'store_misconfigured',
    remedy: /Run: npx loomi-recovery migrate --store postgres:.*loomi_append.*does not exist/,
  },
  {
    what: 'a table of the migrations is gone',
    breaks: ({ root }) => root('alter table public.loomi_stream_events rename to loomi_gone'),
    mends: ({ root }) => root('alter table public.loomi_gone rename to loomi_stream_events'),
    code: 'store_misconfigured',
    remedy: /Run: npx loomi-recovery migrate --store postgres:/,
  },
  {
    what: 'the database takes no changes',
    breaks: ({ rootAndHangUp, database }) =>
      rootAndHangUp(`alter database ${database} set default_transaction_read_only = on`),
    mends: ({ rootAndHangUp, database }) =>
      rootAndHangUp(`alter database ${database} reset default_transaction_read_only`),
    code: 'store_misconfigured',
    remedy: /25006.*URL of the primary.*default_transaction_read_only/,
  },
  {
    what: 'the disk is full',
    needs: { smallDisk: true },
    skip: withoutSmallDisk(),
    breaks: ({ disk }) => disk!.fill(),
    mends: ({ disk }) => disk!.free(),
    code: 'store_unavailable',
    remedy: /53100.*disk is full: make room.*`retention`/,
  },
  UNREACHABLE,
]

/** Of a Supabase project. */
export const SUPABASE: readonly Trouble<SupabasePlace>[] = [
  {
    what: 'the key is revoked',
    breaks: ({ rotateKeys }) => rotateKeys(),
    mends: ({ restoreKeys }) => restoreKeys(),
    code: 'store_misconfigured',
    remedy: /401 Invalid API key.*secret key as SUPABASE_SECRET_KEY/,
  },
  {
    what: 'the grants are taken away',
    breaks: ({ rig }) => rig.psql('revoke insert on loomi_stream_events from service_role'),
    mends: ({ rig }) => rig.psql('grant insert on loomi_stream_events to service_role'),
    code: 'store_misconfigured',
    remedy: /42501 permission denied.*lacks a grant.*supabase db push/,
  },
  {
    what: 'a function of the migrations is gone',
    breaks: ({ rig }) => rig.psql('alter function public.loomi_append rename to loomi_gone'),
    mends: ({ rig }) => rig.psql('alter function public.loomi_gone rename to loomi_append'),
    code: 'store_misconfigured',
    remedy: /PGRST202.*supabase db push.*reload schema/,
  },
  {
    what: 'the database takes no changes',
    breaks: ({ rootAndHangUp }) =>
      rootAndHangUp((database) => `alter database ${database} set default_transaction_read_only = on`),
    mends: ({ rootAndHangUp }) =>
      rootAndHangUp((database) => `alter database ${database} reset default_transaction_read_only`),
    code: 'store_misconfigured',
    remedy: /25006.*takes no changes.*disk is full.*dashboard/,
  },
  {
    what: 'the disk is full',
    needs: { smallDisk: true },
    skip: withoutSmallDisk(),
    breaks: ({ disk }) => disk!.fill(),
    mends: ({ disk }) => disk!.free(),
    code: 'store_unavailable',
    remedy: /53100.*disk is full.*`retention`/,
  },
  {
    what: 'the project is paused',
    breaks: ({ rig }) => rig.stopServer(),
    mends: ({ rig }) => rig.startServer(),
    code: 'store_unavailable',
    remedy: /can’t be reached.*asked again.*SUPABASE_URL/,
  },
]
