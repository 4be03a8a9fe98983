// PCR values that belong to one boot, as one reference value, and the Rego policy that compares them together.

import type { Mix, MixOrigin, MixValue } from '../mixes/values.ts'
import type { Prediction } from '../prediction.ts'
import { cannotExpress, nameOf, sha256Value } from './choice.ts'

/** Name of the reference value that holds the tuples. */
export const tuplesName = 'tpm_pcr_tuples'

/**
 * PCRs of a tuple, as far as they are predicted. 0 to 3, 5 and 6 belong to the machine, 8 to 10 change from boot to boot. 12 and 13 keep
 * command lines, credentials and extensions from outside of a unified kernel image away from a node that passes.
 */
const tuplePcrs = [4, 7, 11, 12, 13, 14] as const
/** Without PCR 7 nothing shows that Secure Boot was on, and a kernel that nobody measured may write what PCR 4 lacks. */
const neededPcrs = [4, 7] as const

/** The most tuples that mixes may give: every verification walks through all of them. */
const mostTuples = 4096

/** `pcr04`, …: as Trustee's verifiers name the claims. */
export type PcrTuple = Readonly<Record<string, string>>

/**
 * Attestation policy for the tuples, to be set as Trustee's policy for CPUs. It decides the executables only: an OR of several rules
 * accepts what the weakest of them accepts, so it replaces a policy that compares each PCR for itself, and is not added to it.
 */
export const tuplePolicy = `package policy

import rego.v1

# 33: something was booted that is not known. 3: all that was booted is known. 0: no statement.
default executables := 33
default hardware := 0
default configuration := 0
default file_system := 0
default instance_identity := 0
default runtime_opaque := 0
default storage_opaque := 0
default sourced_data := 0

# All PCRs of one tuple were predicted for one boot: values of two boots do not mix.
booted_as_predicted(pcrs) if {
	known := query_reference_value("${tuplesName}")
	tuple := known[_]
	tuple.pcr04 == pcrs.pcr04
	tuple.pcr07 == pcrs.pcr07
	every name, value in tuple {
		pcrs[name] == value
	}
}

# A TPM that is known by its attestation key.
executables := 3 if {
	booted_as_predicted(input.tpm)
	input.tpm.ak_public in query_reference_value("trusted_aks")
}

# Virtual TPMs that the report of the processor vouches for.
executables := 3 if booted_as_predicted(input["az-snp-vtpm"].tpm)

executables := 3 if booted_as_predicted(input["az-tdx-vtpm"].tpm)

trust_claims := {
	"executables": executables,
	"hardware": hardware,
	"configuration": configuration,
	"file-system": file_system,
	"instance-identity": instance_identity,
	"runtime-opaque": runtime_opaque,
	"storage-opaque": storage_opaque,
	"sourced-data": sourced_data,
}
`

/** Tuples of the predictions, and of the mixes whose parts fit together; sorted, each once. Throws FORMAT_CANNOT_EXPRESS. */
export function tuplesOf(predictions: readonly Prediction[], mixes: readonly Mix[]): PcrTuple[] {
  const tuples = predictions.flatMap(prediction => [tupleOf(prediction), ...mixedTuples(prediction, mixes)])
  const byText = new Map(tuples.map((tuple): [string, PcrTuple] => [JSON.stringify(tuple), tuple]))
  checkCount(byText.size)
  return [...byText].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, tuple]) => tuple)
}

function tupleOf(prediction: Prediction): PcrTuple {
  const pcrs = pcrsOf(prediction)
  const missing = neededPcrs.find(pcr => !pcrs.includes(pcr))
  if (missing !== undefined)
    throw cannotExpress(
      'trustee',
      `no PCR ${missing} for ${nameOf(prediction)}`,
      `PCR ${neededPcrs.join(' and ')} in every tuple`,
      'give the profile of the machines: --platform',
    )
  return Object.fromEntries(pcrs.map(pcr => [claim(pcr), sha256Value(prediction, `${pcr}`, 'trustee')]))
}

function pcrsOf(prediction: Prediction): number[] {
  return tuplePcrs.filter(pcr => prediction.pcrs[`${pcr}`] !== undefined)
}

function claim(pcr: number): string {
  return `pcr${`${pcr}`.padStart(2, '0')}`
}

type Parts = Partial<Pick<MixOrigin, 'bootLoader' | 'kernel' | 'mok' | 'sbatLevel'>>

interface PartialTuple {
  readonly parts: Parts
  readonly values: PcrTuple
}

/** A mix of one PCR belongs to one of another where every part that decides both is the same one. */
function mixedTuples(prediction: Prediction, mixes: readonly Mix[]): PcrTuple[] {
  const own = mixes.filter(mix => mix.platform === prediction.platform && mix.secureBoot === prediction.secureBoot)
  if (own.length === 0) return []
  let tuples: PartialTuple[] = [{ parts: {}, values: {} }]
  for (const pcr of pcrsOf(prediction)) {
    const choices = own
      .filter(mix => mix.pcr === pcr)
      .flatMap(({ values }) => values.flatMap(value => value.from.map(from => choiceOf(value, from, `${pcr}`))))
    const predicted = [{ sha256: sha256Value(prediction, `${pcr}`, 'trustee'), parts: {} }]
    tuples = distinct(joined(tuples, choices.length === 0 ? predicted : choices, claim(pcr)))
    checkCount(tuples.length)
  }
  return tuples.map(({ values }) => values)
}

interface Choice {
  readonly sha256: string
  readonly parts: Parts
}

/** `any` in a mix says that the part does not decide this value. */
function choiceOf(value: MixValue, from: MixOrigin, pcr: string): Choice {
  const parts: Record<string, string> = {}
  for (const name of partNames) if (from[name] !== 'any') parts[name] = from[name]
  return { sha256: mixedValue(value, pcr), parts }
}

function joined(tuples: readonly PartialTuple[], choices: readonly Choice[], name: string): PartialTuple[] {
  return tuples.flatMap(tuple =>
    choices
      .filter(({ parts }) => agree(tuple.parts, parts))
      .map(({ sha256, parts }) => ({
        parts: { ...tuple.parts, ...parts },
        values: { ...tuple.values, [name]: sha256 },
      })),
  )
}

function distinct(tuples: readonly PartialTuple[]): PartialTuple[] {
  const text = ({ parts, values }: PartialTuple) => JSON.stringify([partNames.map(name => parts[name] ?? null), values])
  return [...new Map(tuples.map(tuple => [text(tuple), tuple])).values()]
}

/** The value of a mix in the SHA-256 bank. Throws FORMAT_CANNOT_EXPRESS when only other banks were asked for. */
export function mixedValue({ sha256 }: MixValue, pcr: string): string {
  if (sha256 !== undefined) return sha256
  throw cannotExpress('trustee', `mixes of PCR ${pcr} in other banks only`, 'the bank sha256', 'add --bank sha256')
}

function checkCount(count: number): void {
  if (count > mostTuples)
    throw cannotExpress('trustee', `${count} tuples`, `at most ${mostTuples}`, 'narrow the mixes with --mix-window')
}

const partNames = ['bootLoader', 'kernel', 'mok', 'sbatLevel'] as const

function agree(one: Parts, other: Parts): boolean {
  return partNames.every(name => one[name] === undefined || other[name] === undefined || one[name] === other[name])
}
