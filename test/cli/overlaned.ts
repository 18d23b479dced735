/** For tests of the commands that speak with overlaned: a stand-in that answers what a test says, and the programs that ask it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { afterAll, vi } from 'vitest';
import { inspectCommand } from '../../src/cli/inspect.js';
import { networkCommand } from '../../src/cli/network.js';
import { reportError } from '../../src/cli/report.js';
import { sandboxCommand } from '../../src/cli/sandbox.js';
import { hasTool } from '../peers.js';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
export const HAS_DOCKER = hasTool('docker');
export const NEEDS_DOCKER = '(needs docker: apt-get install docker.io)';

export interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A folder that is gone when the test file ends. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'overlane-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a program to its end, which is 20 seconds away at most. */
export async function runProgram(file: string, args: string[], env: NodeJS.ProcessEnv = {}, input = ''): Promise<Ran> {
  const child = spawn(file, args, { env: { ...process.env, ...env }, timeout: 20_000, killSignal: 'SIGKILL' });
  child.stdin.on('error', () => {}).end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, stdout, stderr };
}

export interface Asked {
  method: string;
  /** Without the version of the API. */
  path: string;
  query: Record<string, string>;
  body: unknown;
}

type Answer = { status?: number; body?: unknown } | ((response: ServerResponse, asked: Asked) => void);

export class StandIn {
  readonly socket: string;
  /** By method and path, such as `GET /networks`. Everything else is not found. */
  answers: Record<string, Answer> = {};
  /** All that was asked but pings. */
  asked: Asked[] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  private constructor(socket: string) {
    this.socket = socket;
  }

  /** Closed when the test file ends. */
  static async open(): Promise<StandIn> {
    const standIn = new StandIn(join(temporary(), 'd.sock'));
    standIn.#server.listen(standIn.socket);
    await once(standIn.#server, 'listening');
    afterAll(() => {
      standIn.#server.closeAllConnections();
      standIn.#server.close();
    });
    return standIn;
  }

  /** The program, as a process of its own. */
  program(...args: string[]): Promise<Ran> {
    return runProgram(process.execPath, [MAIN, ...args], { OVERLANE_SOCKET: this.socket });
  }

  /** As {@link askHere}. */
  overlane(...args: string[]): Promise<Ran> {
    return askHere(this.socket, args);
  }

  docker(...args: string[]): Promise<Ran> {
    return runProgram('docker', args, { DOCKER_HOST: `unix://${this.socket}` });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Api-Version', '1.41').setHeader('Ostype', 'linux');
    const url = new URL(request.url!, 'http://d');
    const path = decodeURIComponent(url.pathname).replace(/^\/v1\.\d+/, '');
    const given = await text(request);
    if (path === '/_ping') return void response.end('OK');
    const query = Object.fromEntries(url.searchParams);
    const asked = { method: request.method!, path, query, body: given === '' ? null : (JSON.parse(given) as unknown) };
    this.asked.push(asked);
    const missing = { status: 404, body: { message: `${path.slice(1).replace('s/', ' ')} not found` } };
    const answer = this.answers[`${asked.method} ${path}`] ?? missing;
    if (typeof answer === 'function') return answer(response, asked);
    response.statusCode = answer.status ?? 200;
    response.setHeader('content-type', 'application/json');
    response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  }
}

/** The commands that only ask and print, in this process, which is much quicker; one at a time. */
export async function askHere(socket: string, args: string[]): Promise<Ran> {
  const ran: Ran = { status: 0, stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((data) => {
      ran[name] += String(data);
      return true;
    }),
  );
  vi.stubEnv('OVERLANE_SOCKET', socket);
  try {
    await commands().parseAsync(args, { from: 'user' });
  } catch (error) {
    ran.status = reportError(error, { program: 'overlane', json: false });
  } finally {
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
  }
  return ran;
}

function commands(): Command {
  const all = new Command('overlane').exitOverride().configureOutput({ outputError: () => {} });
  const adopt = (parent: Command, command: Command) => {
    command.copyInheritedSettings(parent);
    for (const child of command.commands) adopt(command, child);
  };
  for (const command of [networkCommand(), sandboxCommand(), inspectCommand()]) {
    adopt(all, command);
    all.addCommand(command);
  }
  return all;
}

/** A sandbox as overlaned shows it, on one network. */
export function sandboxView(name: string, more: object = {}) {
  const endpoint = {
    id: 'e'.repeat(64),
    name: `endpoint-${name}`,
    network: 'a'.repeat(64),
    networkName: 'front',
    driver: 'bridge',
    interface: 'eth0',
    mac: '02:42:ac:1c:00:02',
    addresses: ['172.28.0.2/16'],
    ports: [{ protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 }],
    aliases: [],
    port: 'p1',
  };
  return {
    id: '5'.repeat(64),
    name,
    created: '2026-11-21T17:00:00.000Z',
    kind: 'own',
    netns: '/run/overlane/netns/5',
    hostname: name,
    labels: {},
    files: { resolvConf: '/x/resolv.conf', hosts: '/x/hosts', hostname: '/x/hostname' },
    endpoints: [endpoint],
    ...more,
  };
}
