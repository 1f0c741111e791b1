// docs/CONFORMANCE.md as text: a function of the expectation file, of what the suite publishes about other caches, and
// of the counts that were taken of its newer edition.
import { count, judge, kinds, total } from './suite.mjs';

const heading = `# Conformance

This page is written by \`tests/conformance/run.mjs --docs\`; \`./test conformance\` fails when it is out of date.

\`http-cache-tests\` is the public test suite of HTTP caches. \`./test conformance\`
runs the edition of its npm package against \`build/release/gatehouse\` with a configuration that names nothing but the
origin: no rule is tuned for a test. Its own client and its own origin are used, and a pass counts only with the passes
of the tests that it depends on. \`required\` tests are requirements of the RFCs, \`optimal\` ones ask for a stored
response to be used wherever that is allowed, and \`check\` ones only ask how a cache behaves.

Gatehouse implements the RFCs, not the tests. Where an older edition contradicts RFC 9111 the RFC is followed, and the
reason stands [below](#what-does-not-pass-and-why).
`;

const outcomeTexts = {
    pass: 'yes',
    fail: 'no',
    dependency: 'depends on one above',
    setup: 'not concluded',
    retry: 'asked again',
    harness: 'not concluded',
    browser: 'browsers only',
};

// A `|` in a cell would begin another one.
const cell = (text) => text.replaceAll('|', '\\|');
const row = (cells) => `| ${cells.map((text) => cell(`${text}`)).join(' | ')} |`;

function table(header, rows) {
    const rule = header.map((_, i) => (i === 0 ? '---' : '--:'));
    return [row(header), row(rule), ...rows.map(row)].join('\n');
}

const listing = (header, rows) => [row(header), row(header.map(() => '---')), ...rows.map(row)].join('\n');

// `caches` are { name, version, counts }, the first of them Gatehouse.
function resultTables(sections, caches) {
    const header = ['', ...caches.map(({ name, version }) => (version ? `${name} ${version}` : `**${name}**`))];
    const totals = kinds.map((kind) => {
        const { total: all } = total(caches[0].counts, kind);
        return [`${kind} (${all})`, ...caches.map(({ counts }) => total(counts, kind).passed)];
    });
    const tables = [table(header, totals)];
    for (const kind of ['required', 'optimal']) {
        const rows = sections.filter(({ id }) => caches[0].counts.get(id)[kind].total > 0).map(({ id, name }) => [
            `${name} (${caches[0].counts.get(id)[kind].total})`,
            ...caches.map(({ counts }) => counts.get(id)[kind].passed),
        ]);
        tables.push(`Passed of the \`${kind}\` tests, by section:`, table(header, rows));
    }
    return tables.join('\n\n');
}

const shortVersion = (version) => version.replace(/[-+](\d*ubuntu|ds|\d+$).*$/, '');

function peers(tests, published) {
    return published.map(({ name, version, results }) => ({
        name,
        version: shortVersion(version),
        counts: count(tests, judge(tests, results)),
    }));
}

function pinnedPart({ sections, tests, expected, published }) {
    const judged = new Map([...tests.keys()].map((id) => [id, expected[id].result]));
    const caches = [{ name: 'Gatehouse', counts: count(tests, judged) }, ...peers(tests, published)];
    return `## The edition of npm, 0.4.5

The results of the others are those that the package publishes, of the versions of that time.

${resultTables(sections, caches)}`;
}

// What is kept of a run of the newer edition: counts, and what Gatehouse did not pass.
export function newerEdition({ sections, tests, results, published, expected, before }) {
    const judged = judge(tests, results);
    const numbers = (counts, field) =>
        Object.fromEntries([...counts].map(([id, cells]) => [id, kinds.map((kind) => cells[kind][field])]));
    const own = count(tests, judged);
    const totals = numbers(own, 'total');
    const notPassed = {};
    for (const [id, { kind }] of tests) {
        const result = judged.get(id);
        if (result === 'pass') continue;
        const known = before.notPassed[id] ?? (expected[id]?.result === 'pass' ? undefined : expected[id]);
        notPassed[id] = { kind, result, reason: known?.reason ?? '' };
        if (known?.option) notPassed[id].option = known.option;
    }
    return {
        // Required, optimal and check tests: how many there are, and how many each cache passed.
        sections: sections.map(({ id, name }) => ({ id, name, total: totals[id] })),
        caches: [{ name: 'Gatehouse', counts: own }, ...peers(tests, published)].map(
            ({ name, version, counts }) => ({ name, version, passed: numbers(counts, 'passed') })),
        notPassed,
    };
}

function newerPart(newer, expected) {
    const cells = (id, total, passed) =>
        [id, Object.fromEntries(kinds.map((kind, i) => [kind, { passed: passed[i], total: total[i] }]))];
    const caches = newer.caches.map(({ name, version, passed }) => ({
        name,
        version,
        counts: new Map(newer.sections.map(({ id, total }) => cells(id, total, passed[id]))),
    }));
    const others = Object.entries(newer.notPassed).filter(([id, { kind }]) => kind !== 'check' || !expected[id]);
    const rows = others.map(([id, { kind, result, reason, option }]) =>
        [`\`${id}\``, kind, outcomeTexts[result], reason, option ? `\`${option}\`` : '']);
    return `## The suite's newer edition

The suite's own repository is years ahead of its package: it follows RFC 9111 where the package follows drafts of it, and
adds interim responses and targeted cache control (RFC 9213). \`run.mjs --suite DIR --record\` ran a copy of it; the
results of the others are those recorded there.

${resultTables(newer.sections, caches)}

What does not pass there, without the \`check\` tests that are listed below:

${listing(['test', 'kind', 'passed', 'why', 'passes with'], rows)}`;
}

function notPassedPart(tests, expected) {
    const rows = (kind) => [...tests.keys()].filter((id) => expected[id].kind === kind && expected[id].result !== 'pass');
    const strict = ['required', 'optimal'].flatMap(rows).map((id) => {
        const { kind, result, reason, option } = expected[id];
        return [`\`${id}\``, kind, outcomeTexts[result], reason, option ? `\`${option}\`` : ''];
    });
    const checks = [...tests].filter(([, { kind }]) => kind === 'check').map(([id, { name }]) => {
        const { result, reason, option } = expected[id];
        return [name.trim(), outcomeTexts[result], [reason, option ? `Yes with \`${option}\`.` : ''].join(' ').trim()];
    });
    return `## What does not pass, and why

An option beside a test is a line of a cache policy. The test passes with it, and a second run shows that.

${listing(['test', 'kind', 'passed', 'why', 'passes with'], strict)}

## How Gatehouse behaves where the suite only asks

${listing(['question', 'answer', 'why'], checks)}`;
}

export function page({ sections, tests, expected, published, newer }) {
    const parts = [
        heading,
        pinnedPart({ sections, tests, expected, published }),
        ...(newer ? [newerPart(newer, expected)] : []),
        notPassedPart(tests, expected),
    ];
    return `${parts.map((part) => part.trim()).join('\n\n')}\n`;
}
