// Gatehouse in front of the suite's own origin, and one run of the suite's client against it.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { binary, freePorts, start, temporaryDirectory } from '../e2e/support/processes.mjs';

// A whole run takes under a minute; the suite itself gives up on nothing.
const runLimit = 240_000;

// The smallest configuration there is: without a policy the origin's own directives decide. `options` are lines of one
// cache policy.
function configuration(port, originPort, options) {
    const lines = [
        'listeners:',
        `  - address: 127.0.0.1:${port}`,
        'access_log: off',
        'origins:',
        '  origin:',
        `    url: "http://127.0.0.1:${originPort}"`,
        ...(options ? ['cache_policies:', '  tuned:', ...options.map((line) => `    ${line}`)] : []),
        'behaviors:',
        '  - path_pattern: "*"',
        '    origin: origin',
        ...(options ? ['    cache_policy: tuned'] : []),
    ];
    return lines.join('\n') + '\n';
}

async function runClient(suite, url, ids) {
    const client = start(process.execPath, [
        '--no-warnings', join(import.meta.dirname, 'client.mjs'), suite.directory, url, ...ids,
    ]);
    const limit = new AbortController();
    const tooLong = delay(runLimit, 'too long', { signal: limit.signal }).catch(() => undefined);
    const ended = await Promise.race([client.ended, tooLong]);
    limit.abort();
    if (ended === 'too long') {
        client.signal('SIGKILL');
        throw new Error(`The suite did not end within ${runLimit / 1000} seconds.`);
    }
    if (ended.code !== 0) throw new Error(`The suite's client failed:\n${client.output}`);
    return JSON.parse(client.stdout);
}

// The suite's raw results by the test's id. Without `ids` every test is run.
export async function runSuite(suite, { options, ids = [] } = {}) {
    if (!existsSync(binary)) throw new Error(`${binary} is missing; build the release preset first.`);
    const [port, originPort] = await freePorts(2);
    const directory = await temporaryDirectory();
    const file = join(directory.path, 'gatehouse.yaml');
    await writeFile(file, configuration(port, originPort, options));
    const programs = [];
    try {
        const origin = start(process.execPath, [suite.server], {
            cwd: suite.directory,
            env: {
                npm_config_protocol: 'http',
                npm_config_port: `${originPort}`,
                npm_config_pidfile: join(directory.path, 'origin.pid'),
            },
        });
        programs.push(origin);
        await origin.ready(`http://127.0.0.1:${originPort}/index.html`);
        const gatehouse = start(binary, ['run', file]);
        programs.push(gatehouse);
        await gatehouse.ready(`http://127.0.0.1:${port}/index.html`);
        const results = await runClient(suite, `http://127.0.0.1:${port}`, ids);
        if (gatehouse.exit) throw new Error(`Gatehouse ended during the run:\n${gatehouse.output}`);
        return results;
    } finally {
        await Promise.all(programs.map((program) => program.stop()));
        await directory.remove();
    }
}
