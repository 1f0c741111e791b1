// Runs the real curl and takes its answer apart: what users see is what these tests look at.
import { spawn } from 'node:child_process';

// The head of a message as its status and a map of lower-case field names to all of their values.
function parseHead(text) {
    const [statusLine, ...lines] = text.split('\r\n');
    const fields = new Map();
    for (const line of lines) {
        const colon = line.indexOf(':');
        const name = line.slice(0, colon).toLowerCase();
        fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()]);
    }
    return { status: Number(statusLine.split(' ')[1]), statusLine, fields };
}

// curl -i prints every head it gets, the interim ones too, and then the content.
function parse(output) {
    const interim = [];
    let rest = output;
    while (rest.subarray(0, 5).toString('latin1') === 'HTTP/') {
        const end = rest.indexOf('\r\n\r\n');
        if (end < 0) break;
        const head = parseHead(rest.subarray(0, end).toString('latin1'));
        rest = rest.subarray(end + 4);
        if (head.status >= 200 || head.status === 101) return { ...head, interim, body: rest };
        interim.push(head);
    }
    return { status: 0, statusLine: '', fields: new Map(), interim, body: rest };
}

// `exit` is curl's own verdict: 0, 7 for a refused connection, 18 for a body that ended early, and so on.
export function curl(...args) {
    const child = spawn('curl', ['--silent', '--show-error', '--include', '--max-time', '30', ...args]);
    const chunks = [];
    let errors = '';
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    return new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (exit) => {
            const response = parse(Buffer.concat(chunks));
            resolve({
                ...response,
                exit,
                errors,
                text: response.body.toString(),
                json: () => JSON.parse(response.body.toString()),
                // The first value of a field, or the empty string.
                field: (name) => response.fields.get(name.toLowerCase())?.[0] ?? '',
            });
        });
    });
}
