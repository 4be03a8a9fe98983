// The one check that must run on every Node.js, before anything that needs a new one is loaded. Imports nothing on purpose.

const needed = 24

/** What to say when this Node.js is too old, in one line; undefined when it will do. Code NODE_TOO_OLD, exit 2. */
export function tooOld(version: string): string | undefined {
  const major = Number(version.split('.')[0])
  return major >= needed ? undefined : `Node.js ${needed} or newer is needed, this is ${version}`
}
