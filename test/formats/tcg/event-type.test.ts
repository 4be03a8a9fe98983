import { describe, expect, it } from 'vitest'
import { eventTypeName } from '../../../src/formats/tcg/event-type.ts'

/** A second list, decimal: low numbers as in Linux (include/linux/tpm_eventlog.h), high ones as in Windows' wbcl.h and tpm2-tools. */
const secondList = `
EV_PREBOOT_CERT 0, EV_POST_CODE 1, EV_UNUSED 2, EV_NO_ACTION 3, EV_SEPARATOR 4, EV_ACTION 5, EV_EVENT_TAG 6,
EV_S_CRTM_CONTENTS 7, EV_S_CRTM_VERSION 8, EV_CPU_MICROCODE 9, EV_PLATFORM_CONFIG_FLAGS 10, EV_TABLE_OF_DEVICES 11,
EV_COMPACT_HASH 12, EV_IPL 13, EV_IPL_PARTITION_DATA 14, EV_NONHOST_CODE 15, EV_NONHOST_CONFIG 16, EV_NONHOST_INFO 17,
EV_OMIT_BOOT_DEVICE_EVENTS 18,
EV_EFI_VARIABLE_DRIVER_CONFIG 2147483649, EV_EFI_VARIABLE_BOOT 2147483650, EV_EFI_BOOT_SERVICES_APPLICATION 2147483651,
EV_EFI_BOOT_SERVICES_DRIVER 2147483652, EV_EFI_RUNTIME_SERVICES_DRIVER 2147483653, EV_EFI_GPT_EVENT 2147483654,
EV_EFI_ACTION 2147483655, EV_EFI_PLATFORM_FIRMWARE_BLOB 2147483656, EV_EFI_HANDOFF_TABLES 2147483657,
EV_EFI_PLATFORM_FIRMWARE_BLOB2 2147483658, EV_EFI_HANDOFF_TABLES2 2147483659, EV_EFI_VARIABLE_BOOT2 2147483660,
EV_EFI_GPT_EVENT2 2147483661, EV_EFI_HCRTM_EVENT 2147483664, EV_EFI_VARIABLE_AUTHORITY 2147483872,
EV_EFI_SPDM_FIRMWARE_BLOB 2147483873, EV_EFI_SPDM_FIRMWARE_CONFIG 2147483874, EV_EFI_SPDM_DEVICE_POLICY 2147483875,
EV_EFI_SPDM_DEVICE_AUTHORITY 2147483876`
  .trim()
  .split(/,\s*/)
  .map(entry => entry.split(' '))

describe('event types', () => {
  it.each(secondList)('%s is %s', (name, number) => {
    expect(eventTypeName(Number(number))).toBe(name)
  })

  it('has no names beyond the second list', () => {
    const listed = new Set(secondList.map(([, number]) => Number(number)))
    const near = [0, 0x80000000].flatMap(base => Array.from({ length: 0x200 }, (_, low) => base + low))
    for (const type of near.filter(number => !listed.has(number)))
      expect(eventTypeName(type)).toMatch(/^0x[0-9a-f]{8}$/)
  })
})
