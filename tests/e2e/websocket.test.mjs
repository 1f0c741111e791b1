// A WebSocket through the proxy, with the `ws` package on both sides.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { root, startGatehouse } from './support/processes.mjs';

const { WebSocket, WebSocketServer } = createRequire(join(root, 'sample/package.json'))('ws');

let origin;
let sockets;
let gatehouse;

before(async () => {
    origin = createServer((request, response) => response.end('no upgrade here\n'));
    sockets = new WebSocketServer({ server: origin, handleProtocols: (offered) => [...offered].at(-1) });
    sockets.on('connection', (socket, request) => {
        socket.send(`welcome to ${request.url}`);
        socket.on('message', (data, isBinary) => {
            if (data.toString() === 'close') socket.close(4001, 'as you wish');
            else socket.send(data, { binary: isBinary });
        });
    });
    origin.listen(0, '127.0.0.1');
    await once(origin, 'listening');
    gatehouse = await startGatehouse({ origin: `http://127.0.0.1:${origin.address().port}` });
});

after(async () => {
    await gatehouse?.stop();
    for (const client of sockets?.clients ?? []) client.terminate();
    origin?.closeAllConnections();
    origin?.close();
});

async function connect(path, protocols = []) {
    const socket = new WebSocket(`ws://127.0.0.1:${gatehouse.port}${path}`, protocols);
    const [welcome] = await once(socket, 'message');
    return { socket, welcome: welcome.toString() };
}

test('A WebSocket connects with its path, query and subprotocol', async () => {
    const { socket, welcome } = await connect('/chat?room=1', ['one', 'two']);
    assert.equal(welcome, 'welcome to /chat?room=1');
    assert.equal(socket.protocol, 'two');
    socket.terminate();
});

test('Text and binary messages pass in both directions', async () => {
    const { socket } = await connect('/echo');
    socket.send('Grüße');
    const [text, textIsBinary] = await once(socket, 'message');
    assert.equal(text.toString(), 'Grüße');
    assert.equal(textIsBinary, false);

    const block = randomBytes(4 * 1024 * 1024);
    socket.send(block);
    const [data, isBinary] = await once(socket, 'message');
    assert.equal(isBinary, true);
    const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');
    assert.equal(digest(data), digest(block));
    socket.terminate();
});

test('Pings are answered by the other end', async () => {
    const { socket } = await connect('/ping');
    socket.ping('are you there');
    const [payload] = await once(socket, 'pong');
    assert.equal(payload.toString(), 'are you there');
    socket.terminate();
});

test('The code and the reason of a close reach the client', async () => {
    const { socket } = await connect('/close');
    socket.send('close');
    const [code, reason] = await once(socket, 'close');
    assert.equal(code, 4001);
    assert.equal(reason.toString(), 'as you wish');
});

test('The origin learns that a client went away', async () => {
    const { socket } = await connect('/gone');
    const [server] = [...sockets.clients].slice(-1);
    const closed = once(server, 'close');
    socket.terminate();
    await closed;
});

test('An origin that does not upgrade answers as usual', async () => {
    const plain = createServer((request, response) => response.writeHead(426).end('not here\n'));
    plain.on('upgrade', (request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'));
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const proxy = await startGatehouse({ origin: `http://127.0.0.1:${plain.address().port}` });
    try {
        const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`);
        const [, response] = await once(socket, 'unexpected-response');
        assert.equal(response.statusCode, 403);
        response.destroy();
    } finally {
        await proxy.stop();
        plain.closeAllConnections();
        plain.close();
    }
});
