// ./run as a new user calls it, and the lines of README.md as they copy them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { expectHit } from './support/answers.mjs';
import { curl } from './support/curl.mjs';
import { freePorts, root, run, start, until } from './support/processes.mjs';

async function startRun(...args) {
    const [port, admin] = await freePorts(2);
    const program = start(join(root, 'run'), args, { env: { PORT: `${port}`, ADMIN_PORT: `${admin}` } });
    await until('./run says where it listens', () => {
        if (program.exit) throw new Error(`./run ended early:\n${program.output}`);
        return program.output.includes(`Gatehouse answers on http://127.0.0.1:${port}`);
    });
    return { program, port, admin, url: `http://127.0.0.1:${port}` };
}

describe('./run without an argument', () => {
    let running;
    before(async () => (running = await startRun()));
    after(() => running?.program.stop());

    test('starts the sample stack and prints three curl lines that work', async () => {
        const lines = running.program.output.match(/^ +curl .*$/gm);
        assert.equal(lines.length, 3);
        for (const line of lines) {
            const first = await curl(line.trim().split(' ').at(-1));
            assert.equal(first.status, 200, line);
        }
        expectHit(await curl(`${running.url}/api/cached`));
    });

    // A block of README.md that begins with `$ curl ...`: the command, and the output it promises.
    async function readmeExamples() {
        const readme = await readFile(join(root, 'README.md'), 'utf8');
        const examples = [];
        for (const [, block] of readme.matchAll(/^```\w*\n([\s\S]*?)^```/gm)) {
            for (const part of block.split(/^\$ /m).slice(1)) {
                const [command, ...output] = part.split('\n');
                if (command.startsWith('curl ')) examples.push({ command, output });
            }
        }
        return examples;
    }

    // Status lines and the fields that say what the cache did; numbers in them differ from run to run.
    function promises(lines) {
        return lines
            .map((line) => line.trim().toLowerCase())
            .filter((line) => /^(http\/1\.1 |x-cache:|cache-status:)/.test(line))
            .map((line) => (line.startsWith('http/') ? line : line.replace(/\d+/g, '0')));
    }

    test('keeps what the curl lines of README.md promise', async () => {
        const examples = await readmeExamples();
        assert.ok(examples.length >= 5, `README.md shows ${examples.length} curl lines`);
        // What earlier tests left in the cache is purged, so that the first line of README.md is a miss here too.
        await curl('-X', 'POST', '-d', '{"url":"/*"}', `http://127.0.0.1:${running.admin}/purge`);
        for (const { command, output } of examples) {
            const line = command.replaceAll(':8080', `:${running.port}`).replaceAll(':9180', `:${running.admin}`);
            const result = await run('sh', ['-c', line]);
            assert.equal(result.code, 0, `${command}\n${result.output}`);
            const printed = promises(result.output.split('\n'));
            for (const promise of promises(output)) {
                assert.ok(printed.includes(promise), `${command}\npromises ${promise}\n${result.output}`);
            }
        }
    });

    test('ends with status 0 after SIGTERM and leaves nothing running', async () => {
        const { program, url } = running;
        program.child.kill('SIGTERM');
        await until('./run ends', () => program.exit);
        assert.deepEqual(program.exit, { code: 0, signal: null });
        assert.equal((await curl(url)).exit, 7);
    });
});

test('./run with an address stands in front of that origin', async () => {
    const origin = createServer((request, response) => response.end(`you asked for ${request.url}\n`));
    origin.listen(0, '127.0.0.1');
    await once(origin, 'listening');
    const { program, url } = await startRun(`http://127.0.0.1:${origin.address().port}`);
    try {
        assert.equal((await curl(`${url}/some/where`)).text, 'you asked for /some/where\n');
    } finally {
        program.child.kill('SIGTERM');
        await until('./run ends', () => program.exit);
        origin.closeAllConnections();
        origin.close();
    }
    assert.deepEqual(program.exit, { code: 0, signal: null });
});

test('./run refuses what is no address', async () => {
    const { code, output } = await run(join(root, 'run'), ['not-an-address']);
    assert.equal(code, 2);
    assert.match(output, /Usage: \.\/run/);
});
