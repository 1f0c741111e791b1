// An editor's side of the language server protocol, as far as the tests need it: one server on its standard input and
// output, documents that are opened, and what the server says about them.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { root } from './processes.mjs';

const program = join(root, 'tests/e2e/node_modules/yaml-language-server/bin/yaml-language-server');
// Far above what an answer takes, so that only a real failure reaches it.
const patience = 20_000;

// What an editor would have in its settings. Without the store of schemas nothing is looked for elsewhere.
const settings = {
    yaml: { validate: true, hover: true, completion: true, schemaStore: { enable: false, url: '' }, schemas: {} },
};

function withPatience(what, promise) {
    let timer;
    const late = new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`The language server did not answer: ${what}`)), patience);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export class LanguageServer {
    #child;
    #input = Buffer.alloc(0);
    #errors = '';
    #lastId = 0;
    #lastDocument = 0;
    #pending = new Map();
    #waiting = new Map();

    static async start() {
        const server = new LanguageServer();
        const textDocument = {
            completion: { completionItem: { documentationFormat: ['plaintext'] } },
            hover: { contentFormat: ['plaintext'] },
            publishDiagnostics: {},
        };
        const capabilities = { textDocument, workspace: { configuration: true } };
        const rootUri = pathToFileURL(root).href;
        await server.request('initialize', { processId: process.pid, rootUri, capabilities });
        server.#notify('initialized', {});
        return server;
    }

    constructor() {
        this.#child = spawn(process.execPath, [program, '--stdio'], { stdio: ['pipe', 'pipe', 'pipe'] });
        this.#child.stdout.on('data', (data) => this.#take(data));
        this.#child.stderr.on('data', (data) => (this.#errors += data));
        this.#child.on('close', () => {
            for (const { reject } of this.#pending.values()) {
                reject(new Error(`The language server has ended: ${this.#errors}`));
            }
        });
    }

    request(method, params) {
        const id = ++this.#lastId;
        const answer = new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
        this.#send({ id, method, params });
        return withPatience(method, answer);
    }

    // Opens a text as a new file in `folder`, and gives its URI and what the server finds wrong with it.
    async open(text, folder) {
        const uri = pathToFileURL(join(folder, `open-${++this.#lastDocument}.yaml`)).href;
        const published = new Promise((resolve) => this.#waiting.set(uri, resolve));
        this.#notify('textDocument/didOpen', { textDocument: { uri, languageId: 'yaml', version: 1, text } });
        return { uri, diagnostics: await withPatience(`diagnostics of ${uri}`, published) };
    }

    async stop() {
        const ended = new Promise((resolve) => this.#child.on('close', resolve));
        await this.request('shutdown', null);
        this.#notify('exit', null);
        await withPatience('exit', ended).catch(() => this.#child.kill('SIGKILL'));
    }

    #notify(method, params) {
        this.#send({ method, params });
    }

    #send(message) {
        const content = JSON.stringify({ jsonrpc: '2.0', ...message });
        this.#child.stdin.write(`Content-Length: ${Buffer.byteLength(content)}\r\n\r\n${content}`);
    }

    #take(data) {
        this.#input = Buffer.concat([this.#input, data]);
        for (;;) {
            const end = this.#input.indexOf('\r\n\r\n');
            if (end < 0) return;
            const length = Number(/Content-Length: (\d+)/i.exec(this.#input.toString('latin1', 0, end))[1]);
            const start = end + 4;
            if (this.#input.length < start + length) return;
            const content = this.#input.toString('utf8', start, start + length);
            this.#input = this.#input.subarray(start + length);
            this.#receive(JSON.parse(content));
        }
    }

    #receive(message) {
        if (message.method === undefined) {
            const { resolve, reject } = this.#pending.get(message.id);
            this.#pending.delete(message.id);
            if (message.error) reject(new Error(message.error.message));
            else resolve(message.result);
        } else if (message.id !== undefined) {
            this.#send({ id: message.id, result: this.#answer(message) });
        } else if (message.method === 'textDocument/publishDiagnostics') {
            this.#waiting.get(message.params.uri)?.(message.params.diagnostics);
        }
    }

    // What the server asks the editor.
    #answer({ method, params }) {
        if (method !== 'workspace/configuration') return null;
        return params.items.map(({ section }) => settings[section] ?? null);
    }
}
