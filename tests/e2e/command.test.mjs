// The program as a person starts it: checking a file, starting, stopping, and what it prints.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { curl } from './support/curl.mjs';
import { binary, freePorts, root, run, startGatehouse, temporaryDirectory } from './support/processes.mjs';

describe('gatehouse check', () => {
    let directory;
    before(async () => (directory = await temporaryDirectory()));
    after(() => directory?.remove());

    async function check(name, text) {
        const file = join(directory.path, name);
        await writeFile(file, text);
        return { file, ...(await run(binary, ['check', file])) };
    }

    const good = [
        'listeners:',
        '  - address: 127.0.0.1:8080',
        'origins:',
        '  api: { url: "http://127.0.0.1:9000" }',
        'behaviors:',
        '  - path_pattern: "*"',
        '    origin: api',
    ];

    test('accepts a good file', async () => {
        const { code, output } = await check('good.yaml', good.join('\n') + '\n');
        assert.equal(code, 0, output);
    });

    test('names file, line and column of an unknown field', async () => {
        const text = [...good, '    cache_polcy: RFC9111'].join('\n') + '\n';
        const { code, output, file } = await check('unknown.yaml', text);
        assert.equal(code, 1);
        assert.ok(output.includes(`${file}:8:5`), output);
        assert.match(output, /cache_polcy/);
        // It says what would have been accepted.
        assert.match(output, /cache_policy/);
    });

    test('names all problems at once', async () => {
        const text = good.join('\n').replace('127.0.0.1:8080', '127.0.0.1:808000').replace('origin: api', 'origin: apo');
        const { code, output, file } = await check('two.yaml', text + '\n');
        assert.equal(code, 1);
        assert.ok(output.includes(`${file}:2:14`), output);
        assert.ok(output.includes(`${file}:7:13`), output);
    });

    test('names the place of a file that is no YAML', async () => {
        const { code, output, file } = await check('broken.yaml', 'listeners:\n  - address: "unclosed\n');
        assert.equal(code, 1);
        assert.match(output, new RegExp(`${file.replaceAll('.', '\\.')}:\\d+:\\d+`));
    });

    test('says that a file is missing', async () => {
        const missing = join(directory.path, 'missing.yaml');
        const { code, output } = await run(binary, ['check', missing]);
        assert.equal(code, 1);
        assert.ok(output.includes(missing), output);
    });

    test('accepts the examples of this repository', async () => {
        for (const name of ['minimal.yaml', 'full.yaml', 'sample.yaml', 'api-gateway.yaml']) {
            const { code, output } = await run(binary, ['check', join(root, 'conf', name)]);
            assert.equal(code, 0, output);
        }
    });
});

describe('gatehouse run', () => {
    test('does not start with a bad file and says why', async () => {
        const directory = await temporaryDirectory();
        try {
            const file = join(directory.path, 'bad.yaml');
            await writeFile(file, 'listeners: 8080\n');
            const { code, output } = await run(binary, ['run', file]);
            assert.equal(code, 1);
            assert.ok(output.includes(`${file}:1:`), output);
        } finally {
            await directory.remove();
        }
    });

    test('does not start on a port that is taken and says which', async () => {
        const taken = createServer();
        taken.listen(0, '127.0.0.1');
        await once(taken, 'listening');
        const directory = await temporaryDirectory();
        try {
            const address = `127.0.0.1:${taken.address().port}`;
            const file = join(directory.path, 'taken.yaml');
            const lines = ['listeners:', `  - address: ${address}`, 'origins:', '  a: { url: "http://127.0.0.1:9" }',
                'behaviors:', '  - { path_pattern: "*", origin: a }'];
            await writeFile(file, lines.join('\n') + '\n');
            const { code, output } = await run(binary, ['run', file]);
            assert.equal(code, 1);
            assert.ok(output.includes(address), output);
        } finally {
            taken.close();
            await directory.remove();
        }
    });

    test('ends with status 0 after SIGTERM', async () => {
        const [port] = await freePorts(1);
        const gatehouse = await startGatehouse({ origin: `http://127.0.0.1:${port}` });
        assert.deepEqual(await gatehouse.stop(), { code: 0, signal: null });
    });

    test('finishes the response that is under way before it ends', async () => {
        let arrived;
        let finish;
        const requested = new Promise((resolve) => (arrived = resolve));
        const origin = createServer((request, response) => {
            finish = () => response.end('the end\n');
            response.write('the beginning and ');
            arrived();
        });
        origin.listen(0, '127.0.0.1');
        await once(origin, 'listening');
        const gatehouse = await startGatehouse({ origin: `http://127.0.0.1:${origin.address().port}` });
        const answer = curl(`${gatehouse.url}/`);
        await requested;
        const ended = gatehouse.stop();
        // New clients are turned away first; then the old one gets its last bytes.
        finish();
        const { status, text, exit } = await answer;
        assert.deepEqual({ status, text, exit }, { status: 200, text: 'the beginning and the end\n', exit: 0 });
        assert.deepEqual(await ended, { code: 0, signal: null });
        origin.closeAllConnections();
        origin.close();
    });

    test('writes one line of JSON for each request', async () => {
        const origin = createServer((request, response) => response.end('fine\n'));
        origin.listen(0, '127.0.0.1');
        await once(origin, 'listening');
        const gatehouse = await startGatehouse({ origin: `http://127.0.0.1:${origin.address().port}` });
        await curl(`${gatehouse.url}/first?a=1`);
        await curl(`${gatehouse.url}/second`);
        await gatehouse.stop();
        origin.closeAllConnections();
        origin.close();
        const lines = gatehouse.program.stdout.split('\n').filter((line) => line.startsWith('{'));
        const records = lines.map((line) => JSON.parse(line));
        assert.equal(records.filter((record) => Object.values(record).includes('/first?a=1')).length, 1);
        assert.equal(records.filter((record) => Object.values(record).includes('/second')).length, 1);
    });
});

test('gatehouse version prints the version', async () => {
    const { code, output } = await run(binary, ['version']);
    assert.equal(code, 0);
    assert.match(output, /\b\d+\.\d+\.\d+\b/);
});

test('gatehouse without arguments says how it is used and fails', async () => {
    const { code, output } = await run(binary, []);
    assert.notEqual(code, 0);
    assert.match(output, /run/);
    assert.match(output, /check/);
});
