// Starts programs on free ports, waits until they answer, and ends them with the test that started them.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const root = join(import.meta.dirname, '../../..');
export const binary = process.env.GATEHOUSE ?? join(root, 'build/release/gatehouse');

// Polls until `check` gives something truthy and returns it. The bound is far above what any check here takes,
// so that only a real failure reaches it.
export async function until(what, check) {
    for (let attempt = 0; attempt < 400; ++attempt) {
        const result = await check();
        if (result) return result;
        await delay(50);
    }
    throw new Error(`This did not come true within 20 seconds: ${what}`);
}

// As many different free ports of loopback as asked for.
export async function freePorts(count) {
    const servers = [];
    for (let i = 0; i < count; ++i) {
        const server = createServer();
        await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
        servers.push(server);
    }
    const ports = servers.map((server) => server.address().port);
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    return ports;
}

const running = new Set();

// A test program that is ended from outside takes its children with it.
process.on('exit', () => {
    for (const program of running) program.signal('SIGKILL');
});

// One started program: what it printed, and how it ended.
class Program {
    constructor(command, args, { env = {}, cwd = root } = {}) {
        // In a process group of its own, so that a signal reaches the children of a script as well.
        this.child = spawn(command, args, {
            cwd,
            env: { ...process.env, ...env },
            detached: true,
            stdio: ['ignore', 'pipe', 'pipe'],
        });
        this.output = '';
        this.stdout = '';
        this.child.stdout.on('data', (data) => {
            this.output += data;
            this.stdout += data;
        });
        this.child.stderr.on('data', (data) => (this.output += data));
        running.add(this);
        this.ended = new Promise((resolve, reject) => {
            this.child.on('error', reject);
            this.child.on('close', (code, signal) => {
                running.delete(this);
                this.exit = { code, signal };
                resolve(this.exit);
            });
        });
        this.ended.catch(() => {});
    }

    signal(name) {
        try {
            process.kill(-this.child.pid, name);
        } catch {
            // It has already ended.
        }
    }

    // Sends SIGTERM and returns how the program ended; what does not end within the bound is killed.
    async stop() {
        this.signal('SIGTERM');
        try {
            await until('the program ends after SIGTERM', () => this.exit);
        } catch (error) {
            this.signal('SIGKILL');
            throw error;
        }
        return this.exit;
    }

    async ready(url) {
        await until(`${url} answers`, async () => {
            if (this.exit) throw new Error(`The program ended before it answered:\n${this.output}`);
            const response = await fetch(url).catch(() => null);
            await response?.body?.cancel();
            return response?.ok;
        });
    }
}

export function start(command, args, options) {
    return new Program(command, args, options);
}

// Runs a program to its end.
export async function run(command, args, options) {
    const program = new Program(command, args, options);
    const { code, signal } = await program.ended;
    return { code, signal, output: program.output };
}

// The sample stack: API Gateway, Lambda, DynamoDB and static files.
export async function startSample() {
    const [port, tables, internal] = await freePorts(3);
    const program = start(join(root, 'sample/start.sh'), [], {
        env: { PORT: `${port}`, ARC_TABLES_PORT: `${tables}`, ARC_INTERNAL_PORT: `${internal}` },
    });
    const url = `http://127.0.0.1:${port}`;
    await program.ready(`${url}/_static/css/site.css`);
    return { url, stop: () => program.stop(), kill: () => killed(program) };
}

async function killed(program) {
    program.signal('SIGKILL');
    await program.ended;
}

// A directory that goes away with the test program.
export async function temporaryDirectory() {
    const path = await mkdtemp(join(tmpdir(), 'gatehouse-'));
    return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

// Gatehouse in front of `origin`. `originFields`, `policies` and `behaviors` are lines of YAML; without any, one behavior
// sends everything to the origin under the rules of RFC 9111. `flags` are those of `gatehouse run`.
export async function startGatehouse({ origin, originFields = '', policies = '', behaviors = '', more = '', flags = [] }) {
    if (!existsSync(binary)) throw new Error(`${binary} is missing; build the release preset first.`);
    const [port, admin] = await freePorts(2);
    const directory = await temporaryDirectory();
    const file = join(directory.path, 'gatehouse.yaml');
    const text = [
        'listeners:',
        `  - address: 127.0.0.1:${port}`,
        'admin:',
        `  address: 127.0.0.1:${admin}`,
        'cache:',
        '  memory: { size: 64MiB }',
        'origins:',
        '  origin:',
        `    url: "${origin}"`,
        originFields,
        ...(policies ? ['cache_policies:', policies] : []),
        'behaviors:',
        behaviors,
        '  - path_pattern: "*"',
        '    origin: origin',
        more,
    ];
    await writeFile(file, text.filter((line) => line !== '').join('\n') + '\n');

    const program = start(binary, ['run', ...flags, file]);
    await program.ready(`http://127.0.0.1:${admin}/readyz`);
    return {
        program,
        file,
        port,
        url: `http://127.0.0.1:${port}`,
        admin: `http://127.0.0.1:${admin}`,
        async stop() {
            const exit = await program.stop();
            await directory.remove();
            return exit;
        },
    };
}
