// Bodies far larger than memory, in both directions, and readers that take nothing: peak resident memory of the release
// build, from the kernel's own account.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { dirname, join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { binary, startGatehouse, until } from './support/processes.mjs';

const MiB = 1024 * 1024;
const GiB2 = 2 * 1024 * MiB;
const piece = Buffer.alloc(256 * 1024, 'x');

async function residentBytes(pid, field) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(status.match(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'))[1]) * 1024;
}

// The most that the kernel holds for one connection of a local port because its client has not taken it: tx_queue of
// /proc/net/tcp.
async function largestSendQueueBytes(port) {
    const suffix = `:${Number(port).toString(16).toUpperCase().padStart(4, '0')}`;
    const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
    const queues = rows.filter((row) => row[1]?.endsWith(suffix)).map((row) => Number.parseInt(row[4], 16));
    assert.ok(queues.length > 0, `no connection of port ${port}`);
    return Math.max(...queues);
}

// Writes `total` bytes as fast as they are taken.
function pour(stream, total) {
    let sent = 0;
    const more = () => {
        while (sent < total) {
            if (stream.destroyed) return;
            sent += piece.length;
            if (!stream.write(piece)) return;
        }
        stream.off('drain', more);
        stream.end();
    };
    stream.on('drain', more);
    stream.on('error', () => {}); // the other side gave up; the test looks at what arrived
    more();
}

async function startOrigin() {
    const received = { bytes: 0 };
    const server = http.createServer(async (request, response) => {
        const url = new URL(request.url, 'http://origin.test');
        if (request.method === 'POST') {
            for await (const data of request) received.bytes += data.length;
            response.end(`${received.bytes}`);
            return;
        }
        const bytes = Number(url.pathname.split('/')[1]);
        response.writeHead(200, { 'content-length': bytes, 'cache-control': 'max-age=600' });
        pour(response, bytes);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
        received,
        url: `http://127.0.0.1:${server.address().port}`,
        async stop() {
            server.closeAllConnections();
            await new Promise((resolve) => server.close(resolve));
        },
    };
}

// Counts what arrives; `pauseAfter` stops reading for good after so many bytes.
async function download(url, pauseAfter = Infinity) {
    const request = http.get(url, { agent: false });
    const [response] = await once(request, 'response');
    let bytes = 0;
    const done = new Promise((resolve) => {
        response.on('data', (data) => {
            bytes += data.length;
            if (bytes > pauseAfter) response.pause();
        });
        response.on('close', () => resolve({ bytes, complete: response.complete }));
    });
    return { done, abort: () => request.destroy() };
}

describe('With 64 MiB for the cache', () => {
    let origin;
    let gatehouse;

    before(async () => (origin = await startOrigin()));
    after(() => origin?.stop());
    // A process of its own for each account.
    beforeEach(async () => {
        gatehouse = await startGatehouse({
            origin: origin.url,
            originFields: '    max_connections: 4096',
            more: 'limits: { unsent_size: 128KiB }',
        });
    });
    afterEach(() => gatehouse?.stop());

    test('2 GiB down beside a reader that stopped, and 2 GiB up, stay under 128 MiB resident', async () => {
        const slow = await download(`${gatehouse.url}/${GiB2}/slow`, MiB);
        const fast = await download(`${gatehouse.url}/${GiB2}/fast`);
        const got = await fast.done;
        assert.deepEqual(got, { bytes: GiB2, complete: true });

        const upload = http.request(`${gatehouse.url}/upload`, {
            method: 'POST',
            agent: false,
            headers: { 'content-length': GiB2 },
        });
        pour(upload, GiB2);
        const [response] = await once(upload, 'response');
        let text = '';
        for await (const data of response) text += data;
        assert.equal(text, `${GiB2}`);
        slow.abort();

        const peak = await residentBytes(gatehouse.program.child.pid, 'VmHWM');
        assert.ok(peak < 128 * MiB, `the peak was ${Math.round(peak / MiB)} MiB`);
    });

    test('2,000 readers stalled on 1 MiB bodies stay within the budget and 64 MiB', async () => {
        const tool = join(dirname(binary), 'stalled_readers');
        const port = new URL(gatehouse.url).port;
        const readers = spawn(tool, [port, '2000', `/${MiB}/`], { stdio: ['pipe', 'pipe', 'inherit'] });
        let output = '';
        readers.stdout.on('data', (data) => (output += data));
        try {
            await until('all readers have stalled', () => /^stalled 2000$/m.test(output) || readers.exitCode !== null);
            assert.match(output, /^stalled 2000$/m);
            // The last of them have only begun: what is on its way to them comes to rest first.
            let resident = Infinity;
            await until('what 2,000 stalled readers hold is within the bound', async () => {
                resident = await residentBytes(gatehouse.program.child.pid, 'VmRSS');
                return resident <= (64 + 64) * MiB;
            }).catch((error) => assert.fail(`${error.message}: ${Math.round(resident / MiB)} MiB are resident`));
            // Nor does the kernel fill its own memory with what they do not take: without memory it resets connections
            // that nobody stalled.
            const queued = await largestSendQueueBytes(port);
            assert.ok(queued <= MiB / 4, `${Math.round(queued / 1024)} KiB wait in the kernel for one client`);
            // And a client that reads is served all the same.
            const other = await download(`${gatehouse.url}/${MiB}/other`);
            assert.deepEqual(await other.done, { bytes: MiB, complete: true });
        } finally {
            readers.stdin.end();
        }
        await once(readers, 'exit');
    });
});
