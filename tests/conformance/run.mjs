// Runs the public suite of HTTP caches against Gatehouse and compares the results with expected.json.
//
// The file can only get better: a test that came to something else than is written there fails the run, also when it
// came to a pass. Every entry that is no pass carries a reason of one sentence; one with an `option` is run a second
// time under that line of YAML, where it has to pass.
//
// The tests measure seconds, and a machine that is busy with something else changes what some of them come to. What came
// to something else than expected is therefore run again, without the others, before it counts.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { root } from '../e2e/support/processes.mjs';
import { runSuite } from './cache_under_test.mjs';
import { newerEdition, page } from './page.mjs';
import { Suite, count, judge, kinds, total } from './suite.mjs';

const usage = `Usage: node tests/conformance/run.mjs [option]

  (nothing)       run the pinned edition; compare with expected.json and docs/CONFORMANCE.md
  --update        write what the run came to into expected.json; new reasons are left empty
  --docs          write docs/CONFORMANCE.md from expected.json
  --id TEST       run one test and print what it came to
  --suite DIR     run the edition in DIR instead, print what does not pass
  --record        with --suite: keep its counts for docs/CONFORMANCE.md in newer_edition.json
`;

const expectedFile = join(import.meta.dirname, 'expected.json');
const newerFile = join(import.meta.dirname, 'newer_edition.json');
const pageFile = join(root, 'docs/CONFORMANCE.md');
const lastRunFile = join(root, 'build/conformance.json');
const repeats = 3;

const readJson = async (file) => JSON.parse(await readFile(file, 'utf8'));
// Numbers in a list stand on one line.
const toJson = (value) =>
    JSON.stringify(value, null, 4).replace(/\[[\d\s,]+\]/g, (list) => list.replace(/\s+/g, ' ').replace(/\[ | \]/g, (end) => end.trim()));
const writeJson = (file, value) => writeFile(file, `${toJson(value)}\n`);

function printCounts(tests, judged) {
    const counts = count(tests, judged);
    for (const kind of kinds) {
        const { passed, total: all } = total(counts, kind);
        console.log(`${kind.padEnd(9)} ${passed} of ${all}`);
    }
}

// What a run came to, in the form of expected.json; reasons and options are taken over from it.
function asExpected(tests, judged, before) {
    const entries = {};
    for (const [id, { section, kind }] of tests) {
        const result = judged.get(id);
        const entry = { section, kind, result };
        if (result !== 'pass') {
            entry.reason = before[id]?.reason ?? '';
            if (before[id]?.option) entry.option = before[id].option;
        }
        entries[id] = entry;
    }
    return entries;
}

// What is wrong with one test's result, or nothing.
function difference(id, entry, result, raw) {
    const detail = Array.isArray(raw) ? `: ${raw[1]}` : '';
    if (!entry) return `${id} is not in expected.json and came to ${result}${detail}`;
    if (entry.result !== result) {
        const better = result === 'pass' ? ' (better than expected: run with --update)' : '';
        return `${id} came to ${result}, not ${entry.result}${better}${detail}`;
    }
    if (result !== 'pass' && !/^[A-Z].*\.$/.test(entry.reason ?? '')) return `${id} has no reason for ${result}`;
    return undefined;
}

// The tests and all that they depend on.
function withDependencies(tests, ids) {
    const all = new Set();
    const add = (id) => {
        all.add(id);
        tests.get(id).dependsOn.filter((other) => !all.has(other)).forEach(add);
    };
    ids.forEach(add);
    return [...all];
}

// Runs everything, and what did not come to what is expected again. `expected` gives the result for an id.
async function runUntilSettled(suite, tests, expected, { options, ids } = {}) {
    const wanted = ids ?? [...tests.keys()];
    const results = await runSuite(suite, { options, ids: ids ? withDependencies(tests, ids) : [] });
    for (let i = 1; i < repeats; ++i) {
        const judged = judge(tests, results);
        const others = wanted.filter((id) => judged.get(id) !== expected(id));
        if (others.length === 0) break;
        console.log(`run again: ${others.join(' ')}`);
        Object.assign(results, await runSuite(suite, { options, ids: withDependencies(tests, others) }));
    }
    return results;
}

function testsByOption(entries) {
    const groups = new Map();
    for (const [id, { option }] of Object.entries(entries)) {
        if (option) groups.set(option, [...(groups.get(option) ?? []), id]);
    }
    return groups;
}

// Runs the tests that need an option again, one run for each option. Gives what did not pass.
async function runWithOptions(suite, tests, entries) {
    const problems = [];
    for (const [option, ids] of testsByOption(entries)) {
        const results = await runUntilSettled(suite, tests, () => 'pass', { options: [option], ids });
        const judged = judge(tests, results);
        for (const id of ids) {
            const passed = judged.get(id) === 'pass';
            console.log(`${passed ? 'pass' : 'FAIL'}  ${id}  with ${option}`);
            if (!passed) problems.push(`${id} does not pass with ${option}: ${results[id]?.[1]}`);
        }
    }
    return problems;
}

async function makePage(suite, tests, expected) {
    const newer = await readJson(newerFile).catch(() => undefined);
    return page({ sections: await suite.sections(), tests, expected, published: await suite.published(), newer });
}

// The test itself.
async function compare(suite, tests) {
    const expected = await readJson(expectedFile);
    const results = await runUntilSettled(suite, tests, (id) => expected[id]?.result);
    await mkdir(join(root, 'build'), { recursive: true });
    await writeJson(lastRunFile, results);
    const judged = judge(tests, results);
    printCounts(tests, judged);
    const problems = [...tests.keys()].map((id) => difference(id, expected[id], judged.get(id), results[id]));
    problems.push(...Object.keys(expected).filter((id) => !tests.has(id)).map((id) => `${id} is no test of the suite`));
    problems.push(...await runWithOptions(suite, tests, expected));
    if (await makePage(suite, tests, expected) !== await readFile(pageFile, 'utf8').catch(() => '')) {
        problems.push('docs/CONFORMANCE.md is not what --docs would write');
    }
    const real = problems.filter(Boolean);
    for (const problem of real) console.log(`FAILED ${problem}`);
    // One test for each of the suite's, one for each run under an option, and one for the page.
    const all = tests.size + Object.values(expected).filter((entry) => entry.option).length + 1;
    console.log(`conformance: ${all - real.length} passed, ${real.length} failed`);
    return real.length === 0;
}

async function update(suite, tests) {
    const before = await readJson(expectedFile).catch(() => ({}));
    const results = await runUntilSettled(suite, tests, (id) => before[id]?.result);
    const entries = asExpected(tests, judge(tests, results), before);
    await writeJson(expectedFile, entries);
    printCounts(tests, judge(tests, results));
    for (const [id, entry] of Object.entries(entries)) {
        if (entry.result !== 'pass' && !entry.reason) {
            console.log(`${id} (${entry.kind}) needs a reason for ${entry.result}: ${results[id]?.[1] ?? ''}`);
        }
    }
    return true;
}

// Another edition. What it came to before tells which tests to run again; the reasons and options of expected.json are
// good for it as well.
async function runOther(suite, tests, record) {
    const before = await readJson(newerFile).catch(() => ({ notPassed: {} }));
    const results = await runUntilSettled(suite, tests, (id) => before.notPassed[id]?.result ?? 'pass');
    const judged = judge(tests, results);
    for (const [id, result] of judged) {
        if (result !== 'pass') console.log(`${tests.get(id).kind}  ${result}  ${id}  ${results[id]?.[1] ?? ''}`);
    }
    printCounts(tests, judged);
    const newer = newerEdition({
        sections: await suite.sections(), tests, results, published: await suite.published(),
        expected: await readJson(expectedFile), before,
    });
    const problems = await runWithOptions(suite, tests, newer.notPassed);
    if (record) await writeJson(newerFile, newer);
    return problems.length === 0;
}

async function runOne(suite, tests, id) {
    if (!tests.has(id)) throw new Error(`There is no test ${id}.`);
    const results = await runSuite(suite, { ids: [id] });
    console.log(results[id] === true ? 'pass' : JSON.stringify(results[id]));
    return results[id] === true;
}

const { values } = parseArgs({
    options: {
        update: { type: 'boolean' },
        docs: { type: 'boolean' },
        record: { type: 'boolean' },
        help: { type: 'boolean' },
        id: { type: 'string' },
        suite: { type: 'string' },
    },
});
if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
}
const suite = new Suite(values.suite);
const tests = await suite.tests();
let isGood = true;
if (values.id) isGood = await runOne(suite, tests, values.id);
else if (values.suite) isGood = await runOther(suite, tests, values.record);
else if (values.update) isGood = await update(suite, tests);
else if (values.docs) await writeFile(pageFile, await makePage(suite, tests, await readJson(expectedFile)));
else isGood = await compare(suite, tests);
process.exit(isGood ? 0 : 1);
