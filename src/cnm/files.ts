/** The files of a sandbox: resolv.conf, hosts and hostname, which `overlane exec` mounts over those in /etc, as Docker does. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { withoutPrefix } from '../address.js';
import { OverlaneError } from '../errors.js';
import type { EndpointRecord, SandboxRecord } from './records.js';

/** Where systemd-resolved keeps the servers that its own stub asks. */
const RESOLVERS = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

export interface SandboxFiles {
  resolvConf: string;
  hosts: string;
  hostname: string;
}

export function sandboxFiles(folder: string, id: string): SandboxFiles {
  const at = (name: string) => path.join(folder, id, name);
  return { resolvConf: at('resolv.conf'), hosts: at('hosts'), hostname: at('hostname') };
}

/** Writes all three anew; a reader sees the old or the new ones, whole. Throws `ERR_OVERLANE_STORE`. */
export function writeSandboxFiles(folder: string, sandbox: SandboxRecord, endpoints: EndpointRecord[]): void {
  const files = sandboxFiles(folder, sandbox.id);
  try {
    mkdirSync(path.join(folder, sandbox.id), { recursive: true, mode: 0o755 });
    replace(files.resolvConf, resolvConf(sandbox));
    replace(files.hosts, hosts(sandbox, endpoints));
    replace(files.hostname, `${sandbox.hostname}\n`);
  } catch (cause) {
    throw new OverlaneError(
      'ERR_OVERLANE_STORE',
      `the files of sandbox ${sandbox.name} cannot be written: ${(cause as Error).message}; make room below ${folder}, and see that it is writable`,
      { cause },
    );
  }
}

export function removeSandboxFiles(folder: string, id: string): void {
  rmSync(path.join(folder, id), { recursive: true, force: true });
}

function replace(file: string, text: string): void {
  // Renaming over a file waits for the disk, and after a restart nothing has changed.
  if (read(file) === text) return;
  writeFileSync(`${file}.new`, text, { mode: 0o644 });
  renameSync(`${file}.new`, file);
}

function resolvConf({ dns }: SandboxRecord): string {
  const host = hostResolver();
  const servers = dns.servers.length > 0 ? dns.servers : host.servers;
  const search = dns.search.length > 0 ? dns.search : host.search;
  const options = dns.options.length > 0 ? dns.options : host.options;
  const lines = servers.map((server) => `nameserver ${server}`);
  // A search of '.' means none.
  if (search.length > 0 && !search.includes('.')) lines.push(`search ${search.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return lines.map((line) => `${line}\n`).join('');
}

/** What the host asks, less servers on its loopback, which is another one in the sandbox. */
function hostResolver(): { servers: string[]; search: string[]; options: string[] } {
  let found = { servers: [] as string[], search: [] as string[], options: [] as string[] };
  for (const file of RESOLVERS) {
    const lines = read(file)
      .split('\n')
      .map((line) =>
        line
          .replace(/[#;].*/, '')
          .trim()
          .split(/\s+/),
      );
    const of = (word: string) => lines.filter(([first]) => first === word);
    found = {
      servers: of('nameserver')
        .map(([, server]) => server ?? '')
        .filter((server) => server !== '' && !isLoopback(server)),
      search: of('search').at(-1)?.slice(1) ?? [],
      options: of('options').flatMap(([, ...options]) => options),
    };
    if (found.servers.length > 0) break;
  }
  return found;
}

function isLoopback(server: string): boolean {
  return server.startsWith('127.') || server === '::1';
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function hosts(sandbox: SandboxRecord, endpoints: EndpointRecord[]): string {
  const lines: [string, ...string[]][] = [
    ['127.0.0.1', 'localhost'],
    ['::1', 'localhost', 'ip6-localhost', 'ip6-loopback'],
    ['fe00::0', 'ip6-localnet'],
    ['ff00::0', 'ip6-mcastprefix'],
    ['ff02::1', 'ip6-allnodes'],
    ['ff02::2', 'ip6-allrouters'],
  ];
  for (const [name, ip] of Object.entries(sandbox.hosts)) lines.push([ip, name]);
  for (const endpoint of endpoints) {
    for (const { address } of endpoint.addresses) lines.push([withoutPrefix(address), sandbox.hostname]);
  }
  return lines.map(([ip, ...names]) => `${ip}\t${names.join(' ')}\n`).join('');
}
