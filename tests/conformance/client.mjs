// Runs the suite's client once: `node client.mjs SUITE URL [TEST...]`. Standard output gets the results as JSON and
// nothing else. A process of its own, because the suite keeps its results in its modules.
import { Suite } from './suite.mjs';

const [directory, url, ...ids] = process.argv.slice(2);
console.log = console.error;
const results = await new Suite(directory).run(url, ids);
process.stdout.write(JSON.stringify(results), () => process.exit(0));
