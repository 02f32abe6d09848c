/**
 * Registers `<loomi-recovery>`; importing it twice, or beside the script file, is harmless.
 *
 * @module
 */
import { LoomiRecovery } from './loomi-recovery.ts'

LoomiRecovery.define()

export * from './index.ts'
