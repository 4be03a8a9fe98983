// Loaded before a program of Node.js: at its end it writes what the process used, as JSON, to the file that RESOURCES_FILE names.

import { writeFileSync } from 'node:fs'

const { RESOURCES_FILE } = process.env
if (RESOURCES_FILE !== undefined)
  process.on('exit', () => {
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
    // KiB and microseconds
    writeFileSync(RESOURCES_FILE, JSON.stringify({ peak: maxRSS / 1024, cpu: (userCPUTime + systemCPUTime) / 1e6 }))
  })
