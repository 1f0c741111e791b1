// An origin that goes away, breaks off or closes its connections: what clients get, and what is never stored.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { expectHit } from './support/answers.mjs';
import { curl } from './support/curl.mjs';
import { freePorts, startGatehouse, startSample, until } from './support/processes.mjs';

// An origin in this process that answers as its handler says and can be taken away for good.
async function startOrigin(handler) {
    const server = createServer(handler);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        async stop() {
            server.closeAllConnections();
            if (server.listening) await new Promise((resolve) => server.close(resolve));
        },
    };
}

describe('The sample stack is killed', () => {
    let sample;
    let gatehouse;

    before(async () => {
        sample = await startSample();
        gatehouse = await startGatehouse({ origin: sample.url });
    });
    after(async () => {
        await gatehouse?.stop();
        await sample?.stop();
    });

    test('and what is fresh is still answered, the rest with 502 and the cause', async () => {
        const cached = await curl(`${gatehouse.url}/api/cached`);
        assert.equal(cached.status, 200);
        await sample.kill();

        const hit = await curl(`${gatehouse.url}/api/cached`);
        expectHit(hit);
        assert.equal(hit.text, cached.text);

        const failed = await curl(`${gatehouse.url}/api/db/1`);
        assert.equal(failed.status, 502);
        assert.match(failed.field('proxy-status'), /^gatehouse; ?error=connection_refused/);
        assert.equal(failed.field('x-cache'), 'Error from gatehouse');
        assert.equal(failed.field('cache-control'), 'no-store');

        const json = await curl('-H', 'Accept: application/json', `${gatehouse.url}/api/db/1`);
        assert.match(json.field('content-type'), /^application\/json/);
        assert.equal(json.json().status, 502);
        const text = await curl('-H', 'Accept: text/plain', `${gatehouse.url}/api/db/1`);
        assert.match(text.field('content-type'), /^text\/plain/);
    });
});

describe('An origin that breaks off in the middle of a response', () => {
    let origin;
    let gatehouse;
    let calls = 0;

    before(async () => {
        origin = await startOrigin((request, response) => {
            ++calls;
            const framing = request.url.startsWith('/chunked') ? {} : { 'Content-Length': 1000 };
            response.writeHead(200, { 'Cache-Control': 'max-age=60', ...framing });
            response.write('x'.repeat(500), () => response.destroy());
        });
        gatehouse = await startGatehouse({ origin: origin.url });
    });
    after(async () => {
        await gatehouse?.stop();
        await origin?.stop();
    });

    for (const path of ['/length', '/chunked']) {
        test(`never looks complete to a client and is never stored: ${path}`, async () => {
            const before = calls;
            for (let i = 1; i <= 2; ++i) {
                const response = await curl(`${gatehouse.url}${path}`);
                // Either the client sees the connection break off, or an error of ours; never a whole 200.
                if (response.status === 200) assert.notEqual(response.exit, 0);
                else assert.equal(response.status, 502);
                assert.doesNotMatch(response.field('cache-status'), /\bhit\b/);
                assert.ok(calls >= before + i);
            }
        });
    }
});

describe('An origin that fails after it has said how long a stale response may be used', () => {
    let origin;
    let gatehouse;
    let failing = false;

    before(async () => {
        origin = await startOrigin((request, response) => {
            if (failing) {
                response.writeHead(503, { 'Content-Type': 'text/plain' }).end('out of order\n');
                return;
            }
            const control = request.url === '/strict' ? 'max-age=0, must-revalidate' : 'max-age=0';
            const stale = request.url === '/allowed' ? ', stale-if-error=60' : '';
            response.writeHead(200, { 'Cache-Control': control + stale, ETag: '"one"' }).end('good\n');
        });
        gatehouse = await startGatehouse({
            origin: origin.url,
            policies: '  lenient: { stale_if_error: 1h }',
            behaviors:
                '  - { path_pattern: /by-policy, origin: origin, cache_policy: lenient }\n' +
                '  - { path_pattern: /strict, origin: origin, cache_policy: lenient }',
        });
        for (const path of ['/allowed', '/by-policy', '/silent', '/strict']) {
            assert.equal((await curl(`${gatehouse.url}${path}`)).text, 'good\n');
        }
    });
    after(async () => {
        await gatehouse?.stop();
        await origin?.stop();
    });

    async function expectStale(path) {
        const response = await curl(`${gatehouse.url}${path}`);
        assert.equal(response.status, 200);
        assert.equal(response.text, 'good\n');
        assert.match(response.field('cache-status'), /\bdetail=stale_if_error\b/);
    }

    test('is covered for by the stale response, where the response or the policy allows it', async () => {
        failing = true;
        await expectStale('/allowed');
        await expectStale('/by-policy');
    });

    test('is seen as it is where nobody allowed it, or must-revalidate forbids it', async () => {
        failing = true;
        assert.equal((await curl(`${gatehouse.url}/silent`)).status, 503);
        const strict = await curl(`${gatehouse.url}/strict`);
        assert.ok(strict.status >= 500, strict.statusLine);
    });

    test('and is then gone altogether', async () => {
        await origin.stop();
        await expectStale('/allowed');
        await expectStale('/by-policy');
        const silent = await curl(`${gatehouse.url}/silent`);
        assert.equal(silent.status, 502);
        assert.match(silent.field('proxy-status'), /error=connection_refused/);
    });
});

test('An origin that closes each connection without saying so costs no request', async () => {
    const origin = await startOrigin((request, response) => {
        response.on('finish', () => request.socket.end());
        response.writeHead(200, { 'Cache-Control': 'no-store' }).end('once\n');
    });
    const gatehouse = await startGatehouse({ origin: origin.url });
    try {
        for (let i = 0; i < 50; ++i) {
            const response = await curl(`${gatehouse.url}/${i}`);
            assert.equal(response.status, 200, response.text);
        }
    } finally {
        await gatehouse.stop();
        await origin.stop();
    }
});

test('A name that cannot be resolved is 502 with its own cause', async () => {
    const gatehouse = await startGatehouse({ origin: 'http://no-such-host.invalid' });
    try {
        const response = await curl(`${gatehouse.url}/`);
        assert.ok([502, 504].includes(response.status), response.statusLine);
        assert.match(response.field('proxy-status'), /error=dns_(error|timeout)/);
    } finally {
        await gatehouse.stop();
    }
});

test('An origin that starts after the proxy is found', async () => {
    const [port] = await freePorts(1);
    const gatehouse = await startGatehouse({ origin: `http://127.0.0.1:${port}` });
    const server = createServer((request, response) => response.end('here\n'));
    try {
        assert.equal((await curl(`${gatehouse.url}/`)).status, 502);
        server.listen(port, '127.0.0.1');
        await once(server, 'listening');
        await until('the origin is used', async () => (await curl(`${gatehouse.url}/`)).status === 200);
    } finally {
        await gatehouse.stop();
        server.closeAllConnections();
        server.close();
    }
});
