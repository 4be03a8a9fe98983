// What to tell people of dependencies that do not hold, and which packages would mend them.

import { ToolError } from '../errors.ts'
import { type Dependency, formatDependency } from '../formats/rpm/dependency.ts'
import type { Provider } from '../formats/rpm/primary-provides.ts'
import { compareEvr, formatEvr } from '../formats/rpm/version.ts'
import type { BrokenDependency } from './dependencies.ts'

/** More would hide the first ones. */
const mostNamed = 5

/** One error per broken dependency; `providers` are the packages of the repositories that have something that is lacking. */
export function dependencyFaults(
  broken: readonly BrokenDependency[],
  providers: readonly Provider[],
  arch: string,
): ToolError[] {
  return broken.map(fault => {
    const answers = fault.lacking.flatMap(one => newestOf(one, providers, arch))
    return new ToolError('DEPENDENCY_BROKEN', messageOf(fault), {
      found: foundOf(fault),
      wanted: fault.kind === 'missing' ? fault.dependency : `no ${fault.dependency}`,
      where: { path: fault.package },
      hint: hintOf(fault, answers),
    })
  })
}

function messageOf({ kind, ofBase }: BrokenDependency): string {
  const whose = ofBase ? 'a package of the base image' : 'a chosen package'
  return kind === 'missing'
    ? `${whose} needs what would not be there`
    : `${whose} must not be together with another package`
}

function foundOf({ kind, other, ofBase }: BrokenDependency): string {
  if (other === undefined) return 'no package that has it'
  if (kind === 'conflict') return other
  return ofBase ? `only in ${other}, which would be replaced` : `only in ${other}, which would go`
}

function hintOf({ kind, ofBase }: BrokenDependency, answers: readonly string[]): string {
  if (answers.length > 0) return `add to extra-packages: ${answers.join(', or ')}`
  if (kind === 'conflict')
    return 'choose another kernel with kernel-version, or a newer version of the other package with extra-packages'
  if (ofBase)
    return 'that package was made for the kernel of the base image: use a base image without it, or one with a newer one'
  return 'no repository of kernel-repositories has it: add the repository that does'
}

/** Names of packages with their newest version, by name. */
function newestOf(lacking: Dependency, providers: readonly Provider[], arch: string): string[] {
  const text = formatDependency(lacking)
  const fitting = providers.filter(
    one => formatDependency(one.fulfils) === text && (one.arch === arch || one.arch === 'noarch'),
  )
  const byName = Map.groupBy(fitting, ({ name }) => name)
  return [...byName.entries()]
    .sort(([one], [two]) => (one < two ? -1 : 1))
    .slice(0, mostNamed)
    .map(([name, all]) => {
      const newest = all.reduce((best, next) => (compareEvr(next.evr, best.evr) > 0 ? next : best))
      return `${name} (${formatEvr(newest.evr)})`
    })
}
