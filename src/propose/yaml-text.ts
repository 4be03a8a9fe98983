// Data → YAML text that YAML 1.1 and 1.2 readers read the same: js-yaml quotes what either would take for something else.

import { dump } from 'js-yaml'

/** One document, block style, two spaces, keys in the order given, no line folding, no anchors; ends with a line end. */
export function formatYaml(value: unknown): string {
  return dump(value, { lineWidth: -1, noRefs: true })
}
