/** How PostgREST answers what went wrong: which HTTP status belongs to which code (its src/PostgREST/Error.hs). */

/** An answer that is an error; the fields are those of PostgREST's body, with null for what it leaves out. */
export class Refusal extends Error {
  readonly status: number
  /** Null for what the gateway in front of PostgREST answers by itself. */
  readonly code: string | null
  readonly details: string | null
  readonly hint: string | null

  constructor(
    status: number,
    code: string | null,
    message: string,
    extra: { readonly details?: string | undefined; readonly hint?: string | undefined } = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.details = extra.details ?? null
    this.hint = extra.hint ?? null
  }

  get body(): string {
    const { code, message, details, hint } = this
    return JSON.stringify(code === null ? { message, hint } : { code, details, hint, message })
  }
}

/** Any error of a request as its answer. `isAnonymous`: the request had the role of those who are not signed in. */
export function refusalOf(error: unknown, isAnonymous: boolean): Refusal {
  if (error instanceof Refusal) return error
  const { code = '', message = String(error), detail, hint, severity } = error as Record<string, string>
  if (severity !== undefined)
    return new Refusal(statusOf(code, message, isAnonymous), code, message, { details: detail, hint })
  // What the driver says by itself is about the connection.
  return new Refusal(503, 'PGRST000', 'Database connection error. Retrying the connection.', {
    details: message,
  })
}

function statusOf(code: string, message: string, isAnonymous: boolean): number {
  switch (code) {
    case '23503':
    case '23505':
      return 409
    case '25006':
      return 405
    case '22023':
      return /^role .* does not exist$/s.test(message) ? 401 : 400
    case '42501':
      return isAnonymous ? 401 : 403
    case '42883':
    case '42P01':
      return 404
    case '42P17':
    case '21000':
    case '53400':
      return 500
    case '57P01':
      return 503
    case 'P0001':
      return 400
  }
  return BY_CLASS[code.slice(0, 2)] ?? 400
}

const BY_CLASS: Record<string, number> = {
  '08': 503,
  '0L': 403,
  '0P': 403,
  '28': 403,
  '53': 503,
  ...Object.fromEntries(
    ['09', '25', '2D', '38', '39', '3B', '40', '54', '55', '57', '58', 'F0', 'HV', 'P0', 'XX'].map((name) => [
      name,
      500,
    ]),
  ),
}
