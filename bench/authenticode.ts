// The Authenticode digest of one file, as a whole process: node bench/authenticode.ts FILE [BANK…]

import { readFileSync } from 'node:fs'
import { banks, digestIn } from '../src/formats/bytes/digest.ts'
import { formatHex } from '../src/formats/bytes/hex.ts'
import { authenticodeParts } from '../src/formats/pe/authenticode.ts'
import { parsePe } from '../src/formats/pe/pe.ts'

const [path = '', ...wanted] = process.argv.slice(2)
const parts = authenticodeParts(parsePe(new Uint8Array(readFileSync(path)), path))
for (const bank of banks.filter(name => wanted.length === 0 || wanted.includes(name)))
  process.stdout.write(`${bank}: ${formatHex(digestIn(bank, ...parts))}\n`)
