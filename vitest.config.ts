// Test tiers are vitest projects; .ci/tiers.ts says which tier needs what.

import { defineConfig } from 'vitest/config'

const project = (name: string, include: string[], options: object = {}) => ({
  // no test reads or writes the cache of the user: below a device nothing can be made
  test: { name, include, environment: 'node' as const, env: { XDG_CACHE_HOME: '/dev/null/cache' }, ...options },
})

const slow = { testTimeout: 300_000, hookTimeout: 300_000 }

export default defineConfig({
  test: {
    // all processors: the default leaves one idle, which is half of a small machine
    maxWorkers: '100%',
    projects: [
      project('unit', ['test/**/*.test.ts'].concat('!test/{e2e,vectors,podman,rpm,registry,images,real,boot}/**'), {
        testTimeout: 20_000,
      }),
      project('e2e', ['test/e2e/**/*.test.ts'], slow),
      project('vectors', ['test/vectors/**/*.test.ts'], { testTimeout: 120_000 }),
      project('rpm', ['test/rpm/**/*.test.ts'], slow),
      project('registry', ['test/registry/**/*.test.ts'], slow),
      project('images', ['test/images/**/*.test.ts'], slow),
      // one file after another: they share the machine's packages, containers and apt
      project('podman', ['test/podman/**/*.test.ts'], { ...slow, maxWorkers: 1 }),
      project('boot', ['test/boot/**/*.test.ts'], { testTimeout: 60_000, maxWorkers: 1 }),
      project('real', ['test/real/**/*.test.ts'], { ...slow, maxWorkers: 1 }),
    ],
  },
})
