// Which chains OpenSSL refuses, and what it makes of them where there are no elliptic curves; OpenSSL itself agrees in test/real.

import { describe, expect, it } from 'vitest'
import { parseSignatureLists } from '../../../src/formats/efi/signature-list.ts'
import { vendorMokList } from '../../../src/formats/shim/mok-list.ts'
import { parseVendorCert } from '../../../src/formats/shim/vendor-cert.ts'
import { firmwareAuthority } from '../../../src/predict/trust/firmware-authority.ts'
import { shimAuthorities } from '../../../src/predict/trust/shim-authority.ts'
import { signPe } from '../../build/authenticode.ts'
import { seededBytes, vendorTable } from '../../build/boot-files.ts'
import { makeSigningKey, type SigningKey } from '../../build/certificate.ts'
import { faultOf } from '../../build/damage.ts'
import { acceptedChains, type ChainToMake, curvedChains, refusedChains } from '../../build/doubtful-chains.ts'
import { listsOf, loadFile } from '../../build/load-file.ts'
import { makePe } from '../../build/pe.ts'

const unsigned = makePe({ sections: [{ name: '.text', data: seededBytes('chains', 300) }] })
const signed = ({ signer, embedded }: ChainToMake, bytes = unsigned) =>
  signPe(bytes, signer, { otherCertificates: embedded.map(({ certificate }) => certificate) })

const byFirmware = (bytes: Uint8Array, ...db: readonly SigningKey[]) =>
  firmwareAuthority(loadFile(bytes), { db: listsOf(...db), dbx: [], source: 'test' })

function byShim(bytes: Uint8Array, enrolled: readonly SigningKey[], denied: readonly SigningKey[] = []) {
  const vendor = parseVendorCert(vendorTable(makeSigningKey('chain-vendor').certificate, new Uint8Array(0)), 'shim')
  return shimAuthorities(loadFile(bytes), {
    version: { major: 16, minor: 1 },
    vendor,
    db: [],
    dbx: [],
    mokList: [...parseSignatureLists(vendorMokList(vendor), 'MokListRT'), ...listsOf(...enrolled)],
    mokListX: listsOf(...denied),
    ignoreDb: false,
    source: 'test',
  })
}

describe('chains that OpenSSL refuses', () => {
  it.each(refusedChains)('$name: neither firmware nor shim is predicted to trust it', chain => {
    const bytes = signed(chain)
    expect(faultOf(() => byFirmware(bytes, chain.anchor))).toMatchObject({ code: 'NOT_TRUSTED_BY_FIRMWARE' })
    expect(faultOf(() => byShim(bytes, [chain.anchor]))).toMatchObject({ code: 'NOT_TRUSTED_BY_SHIM' })
  })

  it.each(refusedChains)('$name: not predicted to be denied by shim either', chain => {
    const both = signed(chain, signPe(unsigned, acceptedChains[0]?.anchor ?? chain.anchor))
    expect(faultOf(() => byShim(both, [chain.anchor], [chain.anchor])).message).toContain('not predicted')
  })

  it.each(acceptedChains)('$name: trusted', chain => {
    const bytes = signed(chain)
    expect(byFirmware(bytes, chain.anchor).variable.name).toBe('db')
    expect(byShim(bytes, [chain.anchor]).map(({ variable }) => variable.name)).toEqual(['MokListRT'])
  })
})

describe('elliptic curves', () => {
  it.each(curvedChains)('$name: shim passes it over, for the firmware it is not predicted', chain => {
    const bytes = signed(chain)
    expect(faultOf(() => byShim(bytes, [chain.anchor])).code).toBe('NOT_TRUSTED_BY_SHIM')
    const fault = faultOf(() => byFirmware(bytes, chain.anchor))
    expect(fault.code).toBe('NOT_TRUSTED_BY_FIRMWARE')
    expect(fault.found).toContain('another key than an RSA key')
  })

  it.each(curvedChains)('$name: another signature of the same file counts for shim', chain => {
    const other = makeSigningKey('chain-rsa')
    const both = signed(chain, signPe(unsigned, other))
    expect(byShim(both, [chain.anchor, other])).toHaveLength(1)
    // a denial by such a key is none
    expect(byShim(both, [other], [chain.anchor])).toHaveLength(1)
  })
})
