// The public suite as this test sees it: where its parts are, which tests it has, and what a result means.
//
// Two layouts are understood: that of the npm package, and that of the suite's own repository, which is years ahead.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const pinned = join(import.meta.dirname, 'node_modules/http-cache-tests');

// What a test can come to. Only `pass` is one; the rest say why not, as the suite's own pages do: the expectation was
// not met; a test it depends on did not pass; the preparation did not come about; the cache asked the origin twice, so
// that nothing can be concluded; the harness itself broke; only a browser can run it.
export const outcomes = ['pass', 'fail', 'dependency', 'setup', 'retry', 'harness', 'browser'];
export const kinds = ['required', 'optimal', 'check'];

export class Suite {
    constructor(directory = pinned) {
        this.directory = directory;
        this.engine = existsSync(join(directory, 'test-engine')) ? join(directory, 'test-engine') : directory;
        this.isNewer = this.engine !== directory;
        if (!existsSync(join(this.engine, 'server/server.mjs'))) {
            throw new Error(`${directory} holds no edition of http-cache-tests; ./test conformance installs the pinned one.`);
        }
    }

    import(path) {
        return import(pathToFileURL(path));
    }

    get server() {
        return join(this.engine, 'server/server.mjs');
    }

    async sections() {
        const { default: sections } = await this.import(join(this.directory, 'tests/index.mjs'));
        return sections;
    }

    // Every test by its id: section, kind, name, and what it depends on.
    async tests() {
        const tests = new Map();
        for (const section of await this.sections()) {
            for (const test of section.tests) {
                tests.set(test.id, {
                    section: section.id,
                    kind: test.kind ?? 'required',
                    name: test.name,
                    dependsOn: test.depends_on ?? [],
                    isForBrowsers: test.browser_only === true,
                });
            }
        }
        return tests;
    }

    // Runs the tests against a cache at `url`, in this process, which must not have run any before: the suite keeps its
    // results in its modules.
    async run(url, ids) {
        const { runTests, getResults } = await this.import(join(this.engine, 'client/runner.mjs'));
        const sections = (await this.sections()).map((section) => ({
            ...section,
            tests: section.tests.filter((test) => ids.length === 0 || ids.includes(test.id)),
        }));
        if (this.isNewer) {
            await runTests(sections, false, url);
        } else {
            const fetch = createRequire(join(this.directory, 'package.json'))('node-fetch');
            await runTests(sections, fetch, false, url);
        }
        return getResults();
    }

    // What other caches came to, as the suite publishes it.
    async published() {
        const { default: index } = await this.import(join(this.directory, 'results/index.mjs'));
        const files = await readdir(join(this.directory, 'results'));
        const caches = index.filter((cache) => cache.type !== 'browser' && files.includes(cache.file));
        return Promise.all(caches.map(async ({ name, version, file }) => ({
            name,
            version,
            results: JSON.parse(await readFile(join(this.directory, 'results', file), 'utf8')),
        })));
    }
}

function ownOutcome(result) {
    if (result === true) return 'pass';
    if (result[0] === 'Setup') return result[1] === 'retry' ? 'retry' : 'setup';
    return result[0] === 'Assertion' ? 'fail' : 'harness';
}

// What each test came to. A pass counts only with the passes of those that it depends on.
export function judge(tests, results) {
    const judged = new Map();
    const outcome = (id) => {
        if (!judged.has(id)) {
            const { dependsOn, isForBrowsers } = tests.get(id);
            const result = results[id];
            if (result === undefined) judged.set(id, isForBrowsers ? 'browser' : 'harness');
            else if (!dependsOn.every((other) => outcome(other) === 'pass')) judged.set(id, 'dependency');
            else judged.set(id, ownOutcome(result));
        }
        return judged.get(id);
    };
    for (const id of tests.keys()) outcome(id);
    return judged;
}

// Passes and tests by section and kind: counts.get('vary').required is { passed, total }.
export function count(tests, judged) {
    const counts = new Map();
    for (const [id, { section, kind }] of tests) {
        if (!counts.has(section)) {
            counts.set(section, Object.fromEntries(kinds.map((name) => [name, { passed: 0, total: 0 }])));
        }
        const cell = counts.get(section)[kind];
        cell.total += 1;
        cell.passed += judged.get(id) === 'pass' ? 1 : 0;
    }
    return counts;
}

export function total(counts, kind) {
    let passed = 0;
    let all = 0;
    for (const section of counts.values()) {
        passed += section[kind].passed;
        all += section[kind].total;
    }
    return { passed, total: all };
}
