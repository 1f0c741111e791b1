// Gatehouse in front of the sample stack: what is answered from memory, what is not, and what it says about it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { expectHit, expectNotStored, expectStored } from './support/answers.mjs';
import { curl } from './support/curl.mjs';
import { startGatehouse, startSample } from './support/processes.mjs';

let sample;
let gatehouse;
let url;

before(async () => {
    sample = await startSample();
    gatehouse = await startGatehouse({
        origin: sample.url,
        // The stack sends max-age=0 with every file.
        policies: '  files: { ttl: 1h }',
        behaviors: '  - { path_pattern: "/_static/*", origin: origin, cache_policy: files }',
    });
    url = gatehouse.url;
});

after(async () => {
    await gatehouse?.stop();
    await sample?.stop();
});

// Sends a purge to the admin listener.
function purge(path, ...args) {
    return curl('-X', 'POST', '-H', 'Content-Type: application/json', '-d', JSON.stringify({ url: path }),
        ...args, `${gatehouse.admin}/purge`);
}

describe('A response that names its lifetime', () => {
    test('is stored at the first request and answers the second', async () => {
        const first = await curl(`${url}/api/cached`);
        assert.equal(first.status, 200);
        expectStored(first);

        const second = await curl(`${url}/api/cached`);
        assert.equal(second.status, 200);
        expectHit(second);
        assert.equal(second.text, first.text);
        assert.equal(second.field('etag'), '"v1-abc"');
        assert.match(second.field('via'), /gatehouse/);
    });

    test('answers HEAD without content and with the same fields', async () => {
        const get = await curl(`${url}/api/cached`);
        const head = await curl('--head', `${url}/api/cached`);
        assert.equal(head.status, 200);
        expectHit(head);
        assert.equal(head.field('content-length'), `${get.body.length}`);
        assert.equal(head.body.length, 0);
    });

    test('answers a conditional request with 304', async () => {
        await curl(`${url}/api/cached`);
        const response = await curl('-H', 'If-None-Match: "v1-abc"', `${url}/api/cached`);
        assert.equal(response.status, 304);
        assert.match(response.field('cache-status'), /^gatehouse; ?hit/);
        assert.equal(response.field('etag'), '"v1-abc"');
        assert.equal(response.body.length, 0);
    });

    test('is fetched again when the client asks for that', async () => {
        await curl(`${url}/api/cached`);
        const again = await curl('-H', 'Cache-Control: no-cache', `${url}/api/cached`);
        assert.equal(again.status, 200);
        assert.match(again.field('cache-status'), /fwd=(request|stale|miss)/);
        assert.doesNotMatch(again.field('cache-status'), /\bhit\b/);
    });

    test('is stored once for each Accept-Encoding, because Vary names it', async () => {
        await curl('-H', 'Accept-Encoding: gzip', `${url}/api/cached?vary`);
        const same = await curl('-H', 'Accept-Encoding: gzip', `${url}/api/cached?vary`);
        expectHit(same);
        const other = await curl('-H', 'Accept-Encoding: br', `${url}/api/cached?vary`);
        assert.doesNotMatch(other.field('cache-status'), /\bhit\b/);
    });
});

describe('The counter in DynamoDB, which counts real calls', () => {
    test('stays the same while the response is fresh', async () => {
        const first = await curl(`${url}/api/db/fresh`);
        assert.deepEqual(first.json(), { id: 'fresh', calls: 1 });
        const second = await curl(`${url}/api/db/fresh`);
        expectHit(second);
        assert.deepEqual(second.json(), { id: 'fresh', calls: 1 });
    });

    test('rises after a purge of the path', async () => {
        assert.equal((await curl(`${url}/api/db/purged`)).json().calls, 1);
        const answer = await purge('/api/db/purged');
        assert.ok(answer.status >= 200 && answer.status < 300, answer.statusLine);
        assert.equal((await curl(`${url}/api/db/purged`)).json().calls, 2);
    });

    test('rises after a purge of everything below a path', async () => {
        assert.equal((await curl(`${url}/api/db/prefix-a`)).json().calls, 1);
        assert.equal((await curl(`${url}/api/db/prefix-b`)).json().calls, 1);
        await purge('/api/db/prefix-*');
        assert.equal((await curl(`${url}/api/db/prefix-a`)).json().calls, 2);
        assert.equal((await curl(`${url}/api/db/prefix-b`)).json().calls, 2);
    });

    test('stays the same after a purge of another path', async () => {
        assert.equal((await curl(`${url}/api/db/kept`)).json().calls, 1);
        await purge('/api/db/other');
        assert.equal((await curl(`${url}/api/db/kept`)).json().calls, 1);
    });

    test('rises after a PUT, which invalidates what is stored for its URL', async () => {
        assert.deepEqual((await curl(`${url}/api/db/put`)).json(), { id: 'put', calls: 1 });
        const put = await curl('-X', 'PUT', '-H', 'Content-Type: text/plain', '-d', 'new', `${url}/api/db/put`);
        assert.equal(put.status, 200);
        assert.match(put.field('cache-status'), /fwd=(method|bypass)/);
        assert.deepEqual((await curl(`${url}/api/db/put`)).json(), { id: 'put', calls: 2, value: 'new' });
    });

    test('rises once for many clients that ask at the same time', async () => {
        const answers = await Promise.all(Array.from({ length: 20 }, () => curl(`${url}/api/db/crowd`)));
        for (const answer of answers) assert.deepEqual(answer.json(), { id: 'crowd', calls: 1 });
    });
});

describe('A response that must not be stored', () => {
    const cases = [
        ['one that sets cookies', '/api/cookie', 200, 'set_cookie|no_lifetime'],
        ['an error without a lifetime', '/api/error', 503, 'no_lifetime|status_not_storable'],
        ['a function that throws', '/api/throw', 500, 'response_no_store'],
        ['one that forbids it', '/api/echo', 200, 'response_no_store'],
        ['one that names no lifetime', '/api/items/1', 200, 'no_lifetime'],
    ];
    for (const [name, path, status, detail] of cases) {
        test(`is forwarded twice, and the reason is said: ${name}`, async () => {
            for (let i = 0; i < 2; ++i) {
                const response = await curl(`${url}${path}`);
                assert.equal(response.status, status);
                // The second time the cache may already know that this key is not worth waiting for.
                expectNotStored(response, i === 0 ? detail : `${detail}|known_uncacheable`);
            }
        });
    }

    test('keeps its two cookies apart', async () => {
        const response = await curl(`${url}/api/cookie`);
        const cookies = response.fields.get('set-cookie');
        assert.deepEqual(cookies, ['session=1; Path=/; HttpOnly', 'theme=dark; Path=/']);
    });
});

describe('A static file', () => {
    const path = '/_static/css/site.css';

    test('answers a range from the cache', async () => {
        const whole = await curl(`${url}${path}`);
        assert.equal(whole.status, 200);
        expectHit(await curl(`${url}${path}`));

        const part = await curl('--range', '3-17', `${url}${path}`);
        assert.equal(part.status, 206);
        assert.match(part.field('cache-status'), /^gatehouse; ?hit/);
        assert.equal(part.field('content-range'), `bytes 3-17/${whole.body.length}`);
        assert.deepEqual(part.body, whole.body.subarray(3, 18));

        const tail = await curl('--range', '-5', `${url}${path}`);
        assert.equal(tail.status, 206);
        assert.deepEqual(tail.body, whole.body.subarray(-5));
    });

    test('answers a range that lies behind its end with 416', async () => {
        await curl(`${url}${path}`);
        const response = await curl('--range', '1000000-', `${url}${path}`);
        assert.equal(response.status, 416);
        assert.match(response.field('content-range'), /^bytes \*\/\d+$/);
    });

    test('answers a conditional request from the cache, by tag and by date', async () => {
        const whole = await curl(`${url}${path}`);
        for (const condition of [
            `If-None-Match: ${whole.field('etag')}`,
            `If-Modified-Since: ${whole.field('last-modified')}`,
        ]) {
            const response = await curl('-H', condition, `${url}${path}`);
            assert.equal(response.status, 304, condition);
            assert.match(response.field('cache-status'), /^gatehouse; ?hit/);
            assert.equal(response.body.length, 0);
        }
    });
});

describe('A request that only the origin can answer', () => {
    test('arrives there with its method, query and content', async () => {
        const response = await curl('-X', 'POST', '-H', 'Content-Type: text/plain', '-d', 'hello',
            `${url}/api/any?a=1&b=%2F`);
        assert.equal(response.status, 200);
        assert.deepEqual(response.json(), { method: 'POST', query: 'a=1&b=%2F', body: 'hello' });
    });

    test('tells the origin who asked, and drops what a client only claims', async () => {
        const response = await curl('-H', 'X-Forwarded-For: 192.0.2.1', '-H', 'X-Original-URL: /admin', '-H',
            'Connection: X-Secret', '-H', 'X-Secret: 1', `${url}/api/echo`);
        const { headers } = response.json();
        assert.doesNotMatch(headers['x-forwarded-for'], /192\.0\.2\.1/);
        assert.match(headers['x-forwarded-for'], /127\.0\.0\.1/);
        assert.equal(headers['x-original-url'], undefined);
        assert.equal(headers['x-secret'], undefined);
        assert.match(headers.via, /gatehouse/);
        assert.equal(headers.host, new URL(sample.url).host);
    });

    test('brings back bytes that are no text', async () => {
        const response = await curl(`${url}/api/binary`);
        assert.deepEqual([...response.body], [0, 1, 2, 255, 254]);
    });

    test('is refused when it would turn the proxy into a tunnel or a mirror', async () => {
        assert.ok([405, 501].includes((await curl('-X', 'TRACE', `${url}/api/any`)).status));
        const connect = await curl('-X', 'CONNECT', '--request-target', '127.0.0.1:9', url);
        assert.ok([405, 501].includes(connect.status), connect.statusLine);
    });
});

describe('The admin listener', () => {
    test('says that it lives and is ready, and counts', async () => {
        assert.equal((await curl(`${gatehouse.admin}/healthz`)).status, 200);
        assert.equal((await curl(`${gatehouse.admin}/readyz`)).status, 200);
        const metrics = await curl(`${gatehouse.admin}/metrics`);
        assert.equal(metrics.status, 200);
        assert.match(metrics.field('content-type'), /^text\/plain/);
        assert.match(metrics.text, /^# TYPE gatehouse_\w+ counter$/m);
        assert.match(metrics.text, /^gatehouse_\w+\{.*\} [1-9]/m);
    });

    test('refuses a purge that a web page could have sent', async () => {
        assert.equal((await curl(`${url}/api/db/guarded`)).json().calls, 1);
        for (const field of ['Origin: http://evil.example', 'Host: evil.example']) {
            const answer = await purge('/api/db/guarded', '-H', field);
            assert.ok(answer.status >= 400 && answer.status < 500, `${field}: ${answer.statusLine}`);
        }
        assert.equal((await curl(`${url}/api/db/guarded`)).json().calls, 1);
    });

    test('is not reachable through the public listener', async () => {
        const answer = await curl('-X', 'POST', '-d', '{"url":"/api/db/guarded"}', `${url}/purge`);
        assert.equal(answer.status, 404);
    });
});
