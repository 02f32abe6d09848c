/** From PostgREST's requests to SQL: tables with filters, and functions by their named arguments. */
import type { Ask } from './pool.ts'
import { Refusal } from './postgrest-errors.ts'

/** As many rows as one answer has at most, without a word about the rest. */
const MAX_ROWS = 1000
const OPERATORS = { eq: '=', neq: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

/** One request for a table. */
export interface TableRequest {
  readonly method: string
  readonly table: string
  readonly query: URLSearchParams
  /** The request's JSON, '' without one. */
  readonly body: string
  /** `Prefer: return=representation`. */
  readonly returns: boolean
}

/** A statement whose only row has the answer's JSON as `body`; `$1` is the request's JSON where it is used. */
export interface Statement {
  readonly text: string
  readonly usesBody: boolean
}

/** The statement for a table. */
export function tableStatement({ method, table, query, body, returns }: TableRequest): Statement {
  const name = `public.${quoted(table)}`
  const where = filtersOf(name, query)
  if (method === 'GET') {
    const limit = Math.min(Number(query.get('limit') ?? MAX_ROWS), MAX_ROWS)
    const rows = `select ${columnsOf(name, query)} from ${name}${where}${orderOf(query)} limit ${limit}`
    return { text: answer(`(${rows}) t`), usesBody: false }
  }
  const what = returns ? `returning ${columnsOf(name, query)}` : 'returning 1'
  const change = (text: string): string => `with t as (${text} ${what}) ${answer('t')}`
  if (method === 'DELETE') return { text: change(`delete from ${name}${where}`), usesBody: false }
  const columns = (query.get('columns')?.split(',') ?? Object.keys(firstOf(body))).map((column) =>
    quoted(column.replaceAll('"', '')),
  )
  if (method === 'POST') {
    const list = columns.join(', ')
    const source = `json_populate_recordset(null::${name}, $1::text::json)`
    return { text: change(`insert into ${name} (${list}) select ${list} from ${source}`), usesBody: true }
  }
  if (method !== 'PATCH') throw new Refusal(405, 'PGRST117', `Unsupported HTTP method: ${method}`)
  const sets = columns.map((column) => `${column} = b.${column}`).join(', ')
  const source = `json_populate_recordset(null::${name}, $1::text::json) b`
  return { text: change(`update ${name} set ${sets} from ${source}${where}`), usesBody: true }
}

/** A function as the catalog has it. */
interface Routine {
  readonly args: readonly { readonly name: string; readonly type: string; readonly required: boolean }[]
  readonly result: 'void' | 'scalar' | 'row'
  readonly is_set: boolean
  readonly is_volatile: boolean
}

/** The call of a function, or what PostgREST says when none fits the arguments' names. */
export async function callStatement(
  ask: Ask,
  name: string,
  names: readonly string[],
): Promise<{ text: string; isVoid: boolean; isVolatile: boolean }> {
  const routines = await ask<Routine>(ROUTINES, [name])
  const fits = routines.filter(
    ({ args }) =>
      names.every((given) => args.some((arg) => arg.name === given)) &&
      args.every((arg) => !arg.required || names.includes(arg.name)),
  )
  if (fits.length > 1)
    throw new Refusal(300, 'PGRST203', `Could not choose the best candidate function public.${name}`)
  const [routine] = fits
  if (!routine) {
    const how = names.length > 0 ? `(${names.join(', ')})` : ' without parameters'
    const message = `Could not find the function public.${name}${how} in the schema cache`
    throw new Refusal(404, 'PGRST202', message)
  }
  const used = routine.args.filter((arg) => names.includes(arg.name))
  const record = used.map(({ name, type }) => `${quoted(name)} ${type}`).join(', ')
  const from = used.length > 0 ? ` from json_to_record($1::text::json) as b(${record})` : ''
  const given = used.map(({ name }) => `${quoted(name)} := b.${quoted(name)}`).join(', ')
  const call = `public.${quoted(name)}(${given})`
  const inner =
    routine.result === 'row'
      ? `select c.*${from === '' ? ' from ' : `${from}, lateral `}${call} c`
      : `select ${call} as v${from}`
  const each = routine.result === 'row' ? 't' : 't.v'
  const limit = routine.is_set ? ` limit ${MAX_ROWS}` : ''
  const json = routine.is_set ? `coalesce(json_agg(${each}), '[]')` : `json_agg(${each}) -> 0`
  const isVoid = routine.result === 'void'
  const text = isVoid ? inner : `select (${json})::text as body from (${inner}${limit}) t`
  return { text, isVoid, isVolatile: routine.is_volatile }
}

const ROUTINES = `select p.proretset as is_set, p.provolatile = 'v' as is_volatile,
    case when p.prorettype = 'void'::regtype then 'void' when t.typtype = 'c' or p.prorettype = 'record'::regtype
      then 'row' else 'scalar' end as result,
    coalesce((select jsonb_agg(jsonb_build_object('name', a.name, 'type', format_type(a.type, null),
        'required', a.place <= p.pronargs - p.pronargdefaults) order by a.place)
      from unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes)
        with ordinality a(name, type, mode, place) where coalesce(a.mode, 'i') in ('i', 'b', 'v')), '[]') as args
  from pg_proc p join pg_type t on t.oid = p.prorettype
  where p.pronamespace = 'public'::regnamespace and p.proname = $1 and p.prokind = 'f'`

function answer(from: string): string {
  return `select coalesce(json_agg(t), '[]')::text as body from ${from}`
}

function columnsOf(table: string, query: URLSearchParams): string {
  const list = (query.get('select') ?? '*').split(',')
  return list.map((column) => `${table}.${column === '*' ? '*' : quoted(column)}`).join(', ')
}

function orderOf(query: URLSearchParams): string {
  const order = query.get('order')
  if (order === null) return ''
  const terms = order.split(',').map((term) => {
    const [column, direction = 'asc'] = term.split('.')
    return `${quoted(column!)} ${direction === 'desc' ? 'desc' : 'asc'}`
  })
  return ` order by ${terms.join(', ')}`
}

function filtersOf(table: string, query: URLSearchParams): string {
  const terms = [...query]
    .filter(([name]) => !['select', 'order', 'limit', 'columns'].includes(name))
    .map(([name, filter]) => {
      const [, operator = '', value = ''] = /^(\w+)\.(.*)$/s.exec(filter) ?? []
      const column = `${table}.${quoted(name)}`
      if (operator === 'is' && /^(null|true|false)$/.test(value)) return `${column} is ${value}`
      if (!(operator in OPERATORS)) throw new Refusal(400, 'PGRST100', `failed to parse filter (${filter})`)
      return `${column} ${OPERATORS[operator as keyof typeof OPERATORS]} ${literal(value)}`
    })
  return terms.length > 0 ? ` where ${terms.join(' and ')}` : ''
}

function firstOf(body: string): object {
  const [first = {}] = JSON.parse(body) as object[]
  return first
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}
