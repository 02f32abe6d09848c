/**
 * Entry of the file that a browser loads by its address, as a classic script or as a module.
 *
 * @module
 */
import { LoomiRecovery } from './loomi-recovery.ts'
import { scriptBase } from './script-base.ts'
import { startFromGlobals, whenParsed } from './start-from-globals.ts'

LoomiRecovery.defaultBase = scriptBase(document) ?? LoomiRecovery.defaultBase
LoomiRecovery.define()
whenParsed(document, () => startFromGlobals(window))
