// Rules are edited while clients go on asking: what an operator does with an editor, a signal or curl.
import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { curl } from './support/curl.mjs';
import { startGatehouse, until } from './support/processes.mjs';

describe('A rule is edited while curl loops', () => {
    let origin;
    let url;
    let calls = 0;
    let gatehouse;
    let looping;
    let loop;
    const seen = { answered: 0, failed: [] };

    before(async () => {
        origin = http.createServer((request, response) => {
            ++calls;
            response.writeHead(200, { 'Cache-Control': 'max-age=600' }).end(`${calls}\n`);
        });
        origin.listen(0, '127.0.0.1');
        await once(origin, 'listening');
        url = `http://127.0.0.1:${origin.address().port}`;
    });
    after(async () => {
        origin.closeAllConnections();
        await new Promise((resolve) => origin.close(resolve));
    });

    beforeEach(async () => {
        gatehouse = await startGatehouse({
            origin: url,
            flags: ['--watch'],
            behaviors: '  - { path_pattern: /edited, origin: origin }',
        });
        assert.equal((await curl(`${gatehouse.url}/other`)).status, 200);
        looping = true;
        loop = (async () => {
            while (looping) {
                const response = await curl(`${gatehouse.url}/other`);
                if (response.status === 200 && /hit/.test(response.field('cache-status'))) ++seen.answered;
                else seen.failed.push(response.statusLine);
            }
        })();
    });
    afterEach(async () => {
        looping = false;
        await loop;
        assert.deepEqual(seen.failed, []);
        assert.ok(seen.answered > 0);
        await gatehouse?.stop();
    });

    const edit = async (from, to) => {
        const text = await readFile(gatehouse.file, 'utf8');
        assert.ok(text.includes(from));
        await writeFile(`${gatehouse.file}.new`, text.replace(from, to));
        await rename(`${gatehouse.file}.new`, gatehouse.file);
    };
    const rule = '{ path_pattern: /edited, origin: origin }';
    const forbidding = '{ path_pattern: /edited, origin: origin, allowed_methods: [POST] }';
    const isForbidden = async () => (await curl(`${gatehouse.url}/edited`)).status === 405;

    test('the file is watched: the new rule applies, and nothing else changes', async () => {
        assert.equal(await isForbidden(), false);
        await edit(rule, forbidding);
        await until('the new rule applies', isForbidden);
        assert.match((await curl(`${gatehouse.admin}/metrics`)).text, /^gatehouse_config_generation 2$/m);
    });

    test('a file with a mistake changes nothing, and the log says what check says', async () => {
        await edit(rule, '{ path_pattern: /edited, origin: origin, alowed_methods: [POST] }');
        const refused = await curl('-X', 'POST', `${gatehouse.admin}/config/reload`);
        assert.equal(refused.status, 422);
        assert.match(refused.json().problems[0], /unknown field; did you mean allowed_methods\?/);
        assert.equal(await isForbidden(), false);
        await until('the log tells it', () => /configuration not reloaded: .*did you mean allowed_methods\?/.test(gatehouse.program.output));
    });

    test('a file that is included is watched, too', async () => {
        const rules = join(dirname(gatehouse.file), 'limits.yaml');
        await writeFile(rules, 'limits: { target_size: 8KiB }\n');
        await edit('listeners:', 'include: [limits.yaml]\nlisteners:');
        const long = `${gatehouse.url}/other?${'x'.repeat(2000)}`;
        await until('the included file is read', async () => /generation 2$/m.test((await curl(`${gatehouse.admin}/metrics`)).text));
        assert.equal((await curl(long)).status, 200);
        await writeFile(rules, 'limits: { target_size: 1KiB }\n');
        await until('the new limit applies', async () => (await curl(long)).status === 414);
    });

    test('a mistake in a file that is new is waited for, too', async () => {
        const rules = join(dirname(gatehouse.file), 'limits.yaml');
        await writeFile(rules, 'limits: { target_size: lots }\n');
        await edit('listeners:', 'include: [limits.yaml]\nlisteners:');
        await until('the mistake is told', () => /configuration not reloaded: .*limits\.yaml:1:/.test(gatehouse.program.output));
        await writeFile(rules, 'limits: { target_size: 1KiB }\n');
        const long = `${gatehouse.url}/other?${'x'.repeat(2000)}`;
        await until('the mended limit applies', async () => (await curl(long)).status === 414);
    });

    test('SIGHUP reloads', async () => {
        await edit(rule, forbidding);
        gatehouse.program.signal('SIGHUP');
        await until('the new rule applies', isForbidden);
    });
});
