/**
 * What Postgres's error codes mean for the log (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 *
 * @module
 */
import type { LoomiErrorCode } from '../errors.ts'

/**
 * Worth trying again (`store_unavailable`, `store_busy`), refused for good (`store_refused`), set up wrongly
 * (`store_misconfigured`), or not to be expected (`store_failed`). `code` has five characters.
 */
export function sortSqlState(code: string): LoomiErrorCode {
  switch (code) {
    case '42501': // insufficient_privilege
    case '42883': // undefined_function
    case '42P01': // undefined_table
    case '42703': // undefined_column
    case '3D000': // invalid_catalog_name
    case '3F000': // invalid_schema_name
    case '25006': // read_only_sql_transaction
      return 'store_misconfigured'
    case '40001': // serialization_failure
    case '40P01': // deadlock_detected
    case '55P03': // lock_not_available
      return 'store_busy'
  }
  switch (code.slice(0, 2)) {
    case '08': // connection exceptions
    case '53': // insufficient resources
    case '57': // operator intervention, a statement's timeout among them
    case '58': // system errors
      return 'store_unavailable'
    case '28': // invalid authorization
      return 'store_misconfigured'
    case '22': // data exceptions
    case '23': // constraint violations
    case '54': // program limits
      return 'store_refused'
    default:
      return 'store_failed'
  }
}
