// The root of an image on disk: its names, and what the kernel finds behind them when it is the root directory.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Where an engine puts what is of no image. */
const notOfTheImage = new Set(['dev', 'proc', 'sys', 'run'])

/** Paths of directories end with a slash; without what is at `dev`, `proc`, `sys` and `run`. */
export function namesBelow(root: string, below = ''): string[] {
  return readdirSync(join(root, below), { withFileTypes: true })
    .filter(entry => below !== '' || !notOfTheImage.has(entry.name))
    .flatMap(entry => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      return entry.isDirectory() ? [`${path}/`, ...namesBelow(root, path)] : [path]
    })
    .sort()
}

/** chroot is the judge: the system's own rules for links. */
const program = `
use strict; use IO::Handle; binmode STDOUT;
chroot(shift) or die "chroot: $!"; chdir "/" or die;
local $/ = "\\0";
while (my $path = <STDIN>) {
  chomp $path;
  if (-d "/$path") { print "directory 0\\n"; next }
  my $file;
  if (!-f "/$path" || !open($file, "<:raw", "/$path")) { print "nothing 0\\n"; next }
  local $/ = undef;
  my $bytes = <$file>; $bytes = "" unless defined $bytes;
  print "file ", length($bytes), "\\n", $bytes;
}
`

export type Behind = 'directory' | 'nothing' | Uint8Array

/** What opening each path gives, links followed below the root. */
export function readInside(root: string, paths: readonly string[]): Map<string, Behind> {
  const input = paths.map(path => `${path}\0`).join('')
  const { status, stdout, stderr } = spawnSync('perl', ['-e', program, root], { input, maxBuffer: 1 << 30 })
  if (status !== 0) throw new Error(`perl: ${stderr}`)
  const found = new Map<string, Behind>()
  let at = 0
  for (const path of paths) {
    const line = stdout.indexOf(0x0a, at)
    const [kind, length] = stdout.subarray(at, line).toString().split(' ')
    const end = line + 1 + Number(length)
    if (kind === 'file') found.set(path, new Uint8Array(stdout.subarray(line + 1, end)))
    else found.set(path, kind === 'directory' ? 'directory' : 'nothing')
    at = end
  }
  return found
}
