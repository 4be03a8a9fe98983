// `npm run bench`, and `npm run bench -- image` and so on: which bench, then its own words.

const benches: Readonly<Record<string, string>> = {
  predict: './predict.ts',
  image: './image/bench.ts',
  memory: './image/memory.ts',
}

const [, , word = ''] = process.argv
const bench = benches[word]
if (bench !== undefined) process.argv.splice(2, 1)
await import(bench ?? './predict.ts')
