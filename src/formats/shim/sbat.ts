// .sbat sections: rhboot/shim SBAT.md. Rows of comma-separated fields.

import { type ErrorCode, ToolError } from '../../errors.ts'

/** One row: component, generation, vendor, package, version, URL. */
export interface SbatRow {
  readonly component: string
  readonly generation: number
  readonly vendor: string
  readonly package: string
  readonly version: string
  readonly url: string
}

const largest = 64 * 1024

/** Rows in order, up to the first NUL; throws `code` for a row without component and generation. */
export function parseSbat(section: Uint8Array, source: string, code: ErrorCode): SbatRow[] {
  const end = section.indexOf(0)
  const bytes = end < 0 ? section : section.subarray(0, end)
  if (bytes.length > largest) throw sbatError(source, code, `${bytes.length} bytes`, `at most ${largest} bytes`)
  return Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(line => {
      const [component = '', generation = '', vendor = '', name = '', version = '', ...url] = line.trim().split(',')
      if (component === '' || !/^[0-9]{1,9}$/.test(generation))
        throw sbatError(source, code, line.slice(0, 80), 'component,generation,…')
      return { component, generation: Number(generation), vendor, package: name, version, url: url.join(',') }
    })
}

function sbatError(source: string, code: ErrorCode, found: string, wanted: string): ToolError {
  return new ToolError(code, 'cannot read .sbat', { found, wanted, where: { source, path: '.sbat' } })
}
