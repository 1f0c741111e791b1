// The configuration in an editor: a real language server with the schema that Gatehouse prints marks mistakes, completes
// fields and explains them.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { LanguageServer } from './support/language_server.mjs';
import { binary, root, run } from './support/processes.mjs';

const folder = join(root, 'conf');
const schemaFile = join(folder, 'gatehouse.schema.json');

// The place behind `marker` in a text, and the text without the marker.
function cursorAt(text, marker = '█') {
    const before = text.slice(0, text.indexOf(marker)).split('\n');
    return {
        text: text.replace(marker, ''),
        position: { line: before.length - 1, character: before.at(-1).length },
    };
}

test('gatehouse schema prints conf/gatehouse.schema.json', async () => {
    const { code, output } = await run(binary, ['schema']);
    assert.equal(code, 0);
    assert.ok(output === (await readFile(schemaFile, 'utf8')), `differs from ${schemaFile}`);
});

describe('a YAML language server with the schema', () => {
    let server;
    let modeline;
    let policyFields;
    before(async () => {
        server = await LanguageServer.start();
        modeline = (await readFile(join(folder, 'minimal.yaml'), 'utf8')).split('\n')[0];
        const schema = JSON.parse(await readFile(schemaFile, 'utf8'));
        policyFields = schema.properties.cache_policies.additionalProperties.properties;
    });
    after(() => server?.stop());

    test('finds nothing wrong with the examples, and a wrong field in each where it stands', async () => {
        const examples = (await readdir(folder)).filter((name) => name.endsWith('.yaml'));
        assert.ok(examples.length >= 4);
        for (const name of examples) {
            const text = await readFile(join(folder, name), 'utf8');
            assert.deepEqual((await server.open(text, folder)).diagnostics, [], name);
            const wrong = `${text.trimEnd()}\nzz_qqqq: 1\n`;
            const { diagnostics } = await server.open(wrong, folder);
            assert.equal(diagnostics.length, 1, name);
            assert.match(diagnostics[0].message, /zz_qqqq/);
            assert.equal(diagnostics[0].range.start.line, text.trimEnd().split('\n').length);
        }
    });

    test('marks a mistyped field, a wrong type, a wrong word and a missing field', async () => {
        const lines = [
            modeline,
            'listeners: [{ address: 127.0.0.1:8080 }]',
            'origins: { api: { url: "http://127.0.0.1:9000" } }',
            'cache_policies:',
            '  catalogue:',
            '    max_tll: 1h',
            '    min_ttl: soon',
            '    set_cookie: maybe',
            'behaviors:',
            '  - path_pattern: "*"',
        ];
        const { diagnostics } = await server.open(lines.join('\n') + '\n', folder);
        const found = diagnostics.map(({ range, message }) => `${range.start.line}: ${message}`).sort();
        assert.equal(found.length, 4, found.join('\n'));
        assert.match(found[0], /^5: .*max_tll/);
        assert.match(found[1], /^6: /);
        assert.match(found[2], /^7: .*refuse.*honor/s);
        assert.match(found[3], /^9: .*origin/);
    });

    test('wants a whole configuration only where there are listeners and nothing is included', async () => {
        const listeners = 'listeners: [{ address: 127.0.0.1:8080 }]\n';
        const { diagnostics } = await server.open(`${modeline}\n${listeners}`, folder);
        const messages = diagnostics.map(({ message }) => message).join('\n');
        assert.match(messages, /origins/);
        assert.match(messages, /behaviors/);
        for (const rest of [`include: [origins.yaml]\n${listeners}`, 'origins: { api: { url: "http://a" } }\n']) {
            assert.deepEqual((await server.open(`${modeline}\n${rest}`, folder)).diagnostics, [], rest);
        }
    });

    test('takes variables for values of every kind', async () => {
        const lines = [
            modeline,
            'workers: ${WORKERS:-auto}',
            'cache: { memory: { size: "${MEMORY}MiB", shards: "${SHARDS:-16}" } }',
            'cache_policies: { p: { max_ttl: "${TTL}", set_cookie: "${COOKIES}", heuristic: "${GUESS:-true}" } }',
            'access_log: ${LOG:-off}',
        ];
        assert.deepEqual((await server.open(lines.join('\n') + '\n', folder)).diagnostics, []);
    });

    async function completionsAt(policy) {
        const { text, position } = cursorAt(`${modeline}\ncache_policies:\n  catalogue:\n${policy}`);
        const { uri } = await server.open(text, folder);
        const { items } = await server.request('textDocument/completion', { textDocument: { uri }, position });
        return items;
    }

    test('completes the fields of a policy, each with what it does', async () => {
        const items = await completionsAt('    stale_if_error: 1d\n    ma█\n');
        const item = items.find(({ label }) => label === 'max_ttl');
        assert.ok(item, items.map(({ label }) => label).join(' '));
        const documentation = item.documentation?.value ?? item.documentation;
        assert.equal(documentation, policyFields.max_ttl.description);
        const labels = items.map(({ label }) => label);
        for (const name of Object.keys(policyFields)) {
            // What is there already is not offered again.
            assert.equal(labels.includes(name), name !== 'stale_if_error', name);
        }
    });

    test('completes the words that a field takes', async () => {
        const labels = (await completionsAt('    set_cookie: █\n')).map(({ label }) => label);
        assert.ok(labels.includes('refuse') && labels.includes('honor'), labels.join(' '));
    });

    test('explains a field under the pointer', async () => {
        const text = await readFile(join(folder, 'api-gateway.yaml'), 'utf8');
        const { uri } = await server.open(text, folder);
        const { position } = cursorAt(text.replace('max_ttl', 'max_█ttl'));
        const hover = await server.request('textDocument/hover', { textDocument: { uri }, position });
        const shown = [hover.contents].flat().map((part) => part.value ?? part).join('\n');
        // The server escapes what Markdown would take for its own.
        const plain = shown.replaceAll('\\', '').replaceAll('&nbsp;', ' ');
        assert.ok(plain.includes(policyFields.max_ttl.description), shown);
    });
});
