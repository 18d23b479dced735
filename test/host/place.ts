/** A network namespace with a program in it that listens and asks over the kernel's own sockets. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { hasRoot, Netns } from '../live/netns.js';
import { hasTool } from '../peers.js';

const AGENT = fileURLToPath(new URL('agent.mjs', import.meta.url));

export const canFilter = hasRoot && hasTool('nft');

/** For the names of tests that are skipped without. */
export const NEEDS_NFT = '(needs root and nft: apt-get install nftables)';

/** Milliseconds after which nothing is coming any more: packets that are dropped say nothing. */
const SILENCE = 400;

const agents = new Set<ChildProcess>();
afterAll(() => {
  for (const agent of agents) agent.kill('SIGKILL');
});

export class Place {
  readonly netns: Netns;
  readonly #agent: ChildProcess;
  readonly #asked = new Map<number, (answer: string) => void>();
  #count = 0;

  constructor(word: string) {
    this.netns = new Netns(word);
    this.#agent = spawn('ip', ['netns', 'exec', this.netns.name, process.execPath, AGENT], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    agents.add(this.#agent);
    createInterface({ input: this.#agent.stdout! }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as { id: number; answer: string };
      this.#asked.get(id)?.(answer);
      this.#asked.delete(id);
    });
  }

  /** Serves TCP and UDP on a port; answers are `<word> <address of the client>`. */
  async serve(word: string, port: number, ...ips: string[]): Promise<void> {
    for (const ip of ips) {
      for (const protocol of ['tcp', 'udp']) {
        const answer = await this.#call({ command: 'listen', name: word, protocol, ip, port });
        if (answer !== 'listening') throw new Error(`${word} ${ip} ${port}: ${answer}`);
      }
    }
  }

  /** What answers there: a server's words, `silence`, or the code of an error. */
  ask(protocol: 'tcp' | 'udp', ip: string, port: number): Promise<string> {
    return this.#call({ command: 'ask', protocol, ip, port, timeout: SILENCE });
  }

  /** Writes files of /proc/sys in there. */
  sysctl(...settings: readonly { path: string; value: string }[]): void {
    const script = settings.map(({ path, value }) => `echo ${value} > ${path}`).join('; ');
    execFileSync('ip', ['netns', 'exec', this.netns.name, 'sh', '-ec', script]);
  }

  nft(...words: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.netns.name, 'nft', ...words], { encoding: 'utf8' });
  }

  #call(words: object): Promise<string> {
    const id = this.#count++;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      this.#agent.stdin!.write(`${JSON.stringify({ id, ...words })}\n`);
    });
  }
}

/** A veth pair between a container, where it is `eth0`, and the host, where it is a port of `bridge`. */
export function plug(
  host: Place,
  container: Place,
  bridge: string,
  port: string,
  addresses: string[],
  gateways: string[],
) {
  host.netns.ip('link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', container.netns.name);
  host.netns.ip('link', 'set', port, 'master', bridge, 'up');
  wire(container, 'eth0', addresses, gateways);
}

/** Addresses, which can be used at once, and default routes. */
export function wire(place: Place, name: string, addresses: string[], gateways: string[] = []) {
  const { netns } = place;
  for (const address of addresses) {
    netns.ip('address', 'add', address, 'dev', name, ...(address.includes(':') ? ['nodad'] : []));
  }
  netns.ip('link', 'set', name, 'up');
  for (const gateway of gateways) netns.ip('route', 'add', 'default', 'via', gateway);
}
