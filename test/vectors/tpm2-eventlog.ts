// Reads what tpm2_eventlog prints, as text: its PCR values are unquoted hex numbers that a YAML reader would round.

export interface PrintedEvent {
  readonly index: number
  readonly pcr: number
  readonly type: string
  readonly sha256: string
  readonly size: number
}

export function eventsOfYaml(yaml: string): PrintedEvent[] {
  return blocksOfYaml(yaml).map(block => ({
    index: Number(field(block, 'EventNum')),
    pcr: Number(field(block, 'PCRIndex')),
    type: field(block, 'EventType'),
    sha256: block.match(/AlgorithmId: sha256\n\s*Digest: "([0-9a-f]{64})"/)?.[1] ?? '',
    size: Number(field(block, 'EventSize')),
  }))
}

/** The text of each event. */
export function blocksOfYaml(yaml: string): string[] {
  const [events = ''] = yaml.split(/^pcrs:$/m)
  return events.split(/^(?=- EventNum: )/m).slice(1)
}

/** PCR index → sha256 value, from the end of the file. */
export function pcrsOfYaml(yaml: string): Record<string, string> {
  const [, values = ''] = yaml.split(/^pcrs:$/m)
  const sha256 = values.split(/^ {2}sha256:$/m)[1] ?? ''
  return Object.fromEntries(
    [...sha256.matchAll(/^ {4}(\d+) *: 0x([0-9a-f]{64})$/gm)].map(([, pcr, value]) => [pcr, value]),
  )
}

export function field(block: string, name: string): string {
  return block.match(new RegExp(`^[- ]+${name}: *"?([^"\\n]*)"?$`, 'm'))?.[1] ?? ''
}
