/** A host for tests: a network namespace in which an `overlaned` runs, with folders of its own. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { Netns } from '../live/netns.js';
import { Program } from '../live/program.js';

const MAIN = fileURLToPath(new URL('../../dist/daemon/main.js', import.meta.url));
const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const open = new Set<DaemonHost>();

afterAll(async () => {
  for (const host of open) await host.remove();
});

export interface Answer {
  status: number;
  // What tests read of it, they check themselves.
  body: unknown;
}

/** What `GET /overlane/sandboxes/…` says of an endpoint. */
export interface EndpointView {
  id: string;
  name: string;
  network: string;
  networkName: string;
  interface: string | null;
  mac: string | null;
  addresses: string[];
  port: string | null;
}

export interface SandboxView {
  id: string;
  name: string;
  netns: string;
  kind: string;
  files: { resolvConf: string; hosts: string; hostname: string };
  endpoints: EndpointView[];
}

export class DaemonHost {
  readonly netns: Netns;
  readonly folder: string;
  readonly #options: string[];
  #program: Program | null = null;

  /** `options`: of overlaned, beside the folders. */
  constructor(word: string, options: string[] = []) {
    this.netns = new Netns(word);
    this.folder = mkdtempSync(path.join(tmpdir(), `ovl-${word}-`));
    this.#options = options;
    open.add(this);
  }

  get socket(): string {
    return path.join(this.folder, 'overlaned.sock');
  }

  get run(): string {
    return path.join(this.folder, 'run');
  }

  get pid(): number {
    return this.#program!.pid;
  }

  /** What the daemon has logged since it was started. */
  get log(): string {
    return this.#program?.output ?? '';
  }

  /** Waits until it has logged this since it was started. */
  async says(words: RegExp): Promise<void> {
    await this.#program!.until(words);
  }

  /** Starts it, and waits until it answers. */
  async start(): Promise<void> {
    const folders = [
      '--socket',
      this.socket,
      '--store',
      path.join(this.folder, 'store.db'),
      '--folder',
      path.join(this.folder, 'lib'),
    ];
    // Not by ip(8), which takes the mounts of the host away as well: who looks from outside would not see the namespaces.
    const inside = ['nsenter', `--net=${this.netns.path}`, process.execPath, MAIN];
    this.#program = new Program([...inside, ...folders, '--run-folder', this.run, ...this.#options]);
    const until = Date.now() + 20_000;
    for (;;) {
      if (!this.#program.alive) throw new Error(`overlaned ended: ${this.log}`);
      const answer = await this.call('GET', '/_ping').catch(() => null);
      if (answer?.status === 200) return;
      if (Date.now() > until) throw new Error(`overlaned does not answer: ${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async kill(): Promise<void> {
    await this.#program?.stop('SIGKILL');
  }

  /** Ends it by SIGTERM; its status. */
  async stop(): Promise<number | null> {
    return (await this.#program?.stop()) ?? null;
  }

  /** One request, ten seconds at most. */
  call(method: string, where: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers =
        text === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
      const sent = request({ socketPath: this.socket, method, path: where, headers, timeout: 10_000 }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const all = Buffer.concat(chunks).toString();
          const isJson = response.headers['content-type']?.includes('json') === true && all !== '';
          resolve({ status: response.statusCode ?? 0, body: isJson ? JSON.parse(all) : all });
        });
      });
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${where} took more than 10 s`)));
      sent.on('error', reject);
      sent.end(text);
    });
  }

  /** As `call`, but anything other than 2xx is an error. */
  async ask<T>(method: string, where: string, body?: unknown): Promise<T> {
    const answer = await this.call(method, where, body);
    if (answer.status >= 300) throw new Error(`${method} ${where}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  }

  /** The command line against this daemon; what it prints. */
  async overlane(...words: string[]): Promise<string> {
    return new Program([process.execPath, CLI, ...words, '--socket', this.socket]).done();
  }

  network(options: Record<string, unknown>): Promise<{ Id: string }> {
    return this.ask('POST', '/networks/create', options);
  }

  sandbox(name: string, ...networks: Record<string, unknown>[]): Promise<SandboxView> {
    return this.ask('POST', '/overlane/sandboxes', { name, networks });
  }

  /** Runs a program in the namespace of a sandbox, ten seconds at most. */
  exec({ netns }: { netns: string }, ...words: string[]): { status: number | null; out: string } {
    const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${netns}`, ...words], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    return { status, out: `${stdout}${stderr}` };
  }

  /** How many of `count` pings came back. */
  ping(from: { netns: string }, to: string, count = 2): number {
    const { out } = this.exec(from, 'ping', '-n', '-c', String(count), '-i', '0.1', '-W', '1', to);
    const received = /(\d+) received/.exec(out)?.[1];
    if (received === undefined) throw new Error(`ping said: ${out}`);
    return Number(received);
  }

  /** Removes every sandbox and network, but for those that are always there. */
  async clear(): Promise<void> {
    for (const { id } of await this.ask<SandboxView[]>('GET', '/overlane/sandboxes')) {
      await this.ask('DELETE', `/overlane/sandboxes/${id}`);
    }
    await this.ask('POST', '/networks/prune');
  }

  async remove(): Promise<void> {
    if (!open.delete(this)) return;
    await this.stop().catch(() => {});
    // What a daemon that was killed has left mounted.
    for (const name of spawnSync('ls', [path.join(this.run, 'netns')], { encoding: 'utf8' }).stdout.split('\n')) {
      if (name !== '') spawnSync('umount', ['-l', path.join(this.run, 'netns', name)]);
    }
    rmSync(this.folder, { recursive: true, force: true });
    this.netns.remove();
  }
}
