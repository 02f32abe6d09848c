/**
 * The browser files, one per mode, because each must stand alone in one file: `vite build --mode element`
 * (`loomi-recovery.js`), `sw`, `worker`, and `registration` (the lazily loaded chunk, built before the element,
 * which names it by its hash). `npm run build` does all four.
 *
 * @module
 */
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineConfig, type LibraryOptions, type Plugin } from 'vite'

const FILES: Readonly<Record<string, LibraryOptions>> = {
  // A script that runs both as a module and as a classic script is one that neither imports, exports nor leaks a name.
  element: { entry: 'elements/drop-in.ts', formats: ['iife'], fileName: () => 'loomi-recovery.js' },
  sw: { entry: 'sw/sw.ts', formats: ['iife'], fileName: () => 'sw.js' },
  worker: { entry: 'sw/worker.ts', formats: ['iife'], fileName: () => 'worker.js' },
  registration: {
    entry: 'sw/registration.ts',
    formats: ['es'],
    fileName: () => 'assets/registration-[hash].js',
  },
}

export default defineConfig(({ mode }) => {
  const file = FILES[mode]
  if (!file)
    throw new Error(`No browser file is called "${mode}": use --mode ${Object.keys(FILES).join(' | ')}.`)
  return {
    publicDir: false,
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: mode === 'element' ? [lazyRegistration()] : [],
    build: {
      target: 'es2022',
      outDir: 'dist/browser',
      emptyOutDir: false,
      sourcemap: true,
      minify: true,
      reportCompressedSize: false,
      lib: { name: 'Loomi', ...file },
      // Vite leaves the whitespace of ES libraries alone unless the output itself is told to be small.
      rolldownOptions: { output: { minify: true } },
    },
  }
})

/**
 * Leaves `import('./registration.ts')` out of the element and points it at the built chunk. The path is relative:
 * `import()` resolves it against the script's own URL in classic scripts and modules alike.
 */
function lazyRegistration(): Plugin {
  let assets = ''
  return {
    name: 'loomi:lazy-registration',
    enforce: 'pre',
    configResolved(config): void {
      assets = resolve(config.root, config.build.outDir, 'assets')
    },
    resolveId(source): { id: string; external: 'relative' } | null {
      if (!source.endsWith('/registration.ts')) return null
      return { id: `./assets/${chunkIn(assets)}`, external: 'relative' }
    },
  }
}

function chunkIn(assets: string): string {
  const [chunk, ...others] = readdirSync(assets).filter((name) => /^registration-.*\.js$/.test(name))
  if (chunk === undefined || others.length > 0) {
    throw new Error(`${assets} must hold exactly one registration-*.js: run \`npm run build\`.`)
  }
  return chunk
}
