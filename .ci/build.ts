// Bundles src/ into dist/: the Action (index.js) and the CLI (cli.js) with the chunks that they share.
// `--check` builds into a temporary directory and fails when dist/ is not byte for byte the same.
// OpenPGP.js stays outside: its licence, the LGPL, wants it to be a file of its own that can be exchanged.

import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'

const root = resolve(import.meta.dirname, '..')
const dist = join(root, 'dist')

/** The file that `import('openpgp')` means in Node.js, and its name in dist/. */
const openpgp = { package: 'node_modules/openpgp', file: 'dist/node/openpgp.mjs', as: 'openpgp.mjs' }

/** All chunks lie in dist/ itself, so one relative path is right for each. */
const besideBundle: Plugin = {
  name: 'beside the bundle',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^openpgp$/ }, () => ({ path: `./${openpgp.as}`, external: true }))
  },
}

async function bundle(outdir: string): Promise<void> {
  rmSync(outdir, { recursive: true, force: true })
  const result = await build({
    absWorkingDir: root,
    // the client of clusters is large and rarely needed: a file of its own, loaded by import()
    entryPoints: { index: 'src/action.ts', cli: 'src/cli.ts', kubernetes: 'src/edge/kubernetes-client.ts' },
    outdir,
    bundle: true,
    plugins: [besideBundle],
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    chunkNames: 'chunk-[hash]',
    minifyWhitespace: true,
    minifySyntax: true,
    charset: 'utf8',
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    define: { 'process.env.ATTESTED_OS_UPDATE_VERSION': JSON.stringify(version()) },
    // undici and friends are CommonJS and call require for Node's own modules.
    banner: {
      js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
    },
  })
  copyFileSync(join(root, openpgp.package, openpgp.file), join(outdir, openpgp.as))
  writeFileSync(join(outdir, 'licenses.txt'), licenses(result.metafile))
  writeFileSync(join(outdir, 'package.json'), '{ "type": "module" }\n')
}

function version(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version
}

/** The licence text of every package whose code is in the bundle or beside it, in order of name. */
function licenses(metafile: Metafile): string {
  const directories = new Set<string>([openpgp.package])
  for (const input of Object.keys(metafile.inputs)) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)
    if (match?.[1] !== undefined) directories.add(match[1])
  }
  return [...directories]
    .map(directory => {
      const { name, version, license } = JSON.parse(
        readFileSync(join(root, directory, 'package.json'), 'utf8'),
      ) as Record<string, string>
      const file = readdirSync(join(root, directory)).find(entry => /^licen[cs]e/i.test(entry))
      const text =
        file === undefined
          ? '(the package holds no licence file)'
          : readFileSync(join(root, directory, file), 'utf8').trim()
      return `${name} ${version} (${license})\n\n${text}\n`
    })
    .sort()
    .join(`\n${'-'.repeat(80)}\n\n`)
}

function contents(directory: string): Map<string, Buffer> {
  return new Map(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => {
        const path = join(entry.parentPath, entry.name)
        return [path.slice(directory.length + 1), readFileSync(path)] as const
      }),
  )
}

function differences(wanted: Map<string, Buffer>, found: Map<string, Buffer>): string[] {
  const names = [...new Set([...wanted.keys(), ...found.keys()])].sort()
  return names.filter(name => !wanted.get(name)?.equals(found.get(name) ?? Buffer.alloc(0)))
}

if (process.argv.includes('--check')) {
  const scratch = mkdtempSync(join(tmpdir(), 'attested-os-update-build-'))
  try {
    await bundle(join(scratch, 'dist'))
    const differing = differences(contents(join(scratch, 'dist')), contents(dist))
    if (differing.length > 0) {
      process.stderr.write(`dist/ is not what src/ builds: ${differing.join(', ')}; run npm run build\n`)
      process.exitCode = 1
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
} else {
  await bundle(dist)
  process.stdout.write(
    `built ${dirname(dist) === root ? 'dist' : dist}: ${[...contents(dist).keys()].sort().join(', ')}\n`,
  )
}
