// The setup header of an x86 Linux kernel: Linux, Documentation/arch/x86/boot.rst.

const bootFlagOffset = 0x1fe
const headerOffset = 0x202
const setupSectsOffset = 0x1f1
const kernelVersionOffset = 0x20e
/** `kernel_version` counts from here. */
const versionBase = 0x200
/** First boot protocol with `kernel_version`: 2.00. */
const firstProtocol = 0x0200
const longestRelease = 256

/** What `uname -r` will print, or undefined when the file has no setup header or names no version. */
export function parseKernelRelease(vmlinuz: Uint8Array): string | undefined {
  if (vmlinuz.length < kernelVersionOffset + 2) return undefined
  const view = new DataView(vmlinuz.buffer, vmlinuz.byteOffset, vmlinuz.byteLength)
  const magic = Buffer.from(vmlinuz.subarray(headerOffset, headerOffset + 4)).toString('latin1')
  if (view.getUint16(bootFlagOffset, true) !== 0xaa55 || magic !== 'HdrS') return undefined
  const protocol = view.getUint16(headerOffset + 4, true)
  const pointer = view.getUint16(kernelVersionOffset, true)
  const setupSize = (vmlinuz[setupSectsOffset] || 4) * 512
  if (protocol < firstProtocol || pointer === 0 || pointer >= setupSize) return undefined
  const start = versionBase + pointer
  const text = vmlinuz.subarray(start, start + longestRelease)
  const words = Buffer.from(text).toString('latin1').split('\0', 1)[0]?.split(' ', 1)
  const release = words?.[0] ?? ''
  return /^[0-9][A-Za-z0-9._+~-]*$/.test(release) ? release : undefined
}
