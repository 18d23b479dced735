/** Older userspace overlays, one process a host: wireguard-go and nebula. Their TUN devices are the containers' network. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, missingPrograms } from '../../peers/peer.js';
import { runTool } from '../../peers/process.js';
import { addAddresses, type Lab, type Namespace } from '../lab.js';
import { deviceOf, wireguardSocket } from '../names.js';
import { addressesOf, CONTAINERS, HOSTS, type Setup, UNDERLAY_MTU } from '../setup.js';

/** The process, its TUN device and its end of the underlay share a namespace. */
async function twoEnds(lab: Lab): Promise<[Namespace, Namespace]> {
  const ends: [Namespace, Namespace] = [await lab.namespace('c1'), await lab.namespace('c2')];
  const end = (at: 0 | 1) => ({ at: ends[at], name: 'under0', addresses: [`${HOSTS[at]}/24`] });
  await lab.veth(end(0), end(1), UNDERLAY_MTU);
  return ends;
}

const WIREGUARD_PORT = 51820;
/** wireguard-go's default: UNDERLAY_MTU - 80, which would do over IPv6 too. */
const WIREGUARD_MTU = UNDERLAY_MTU - 80;

/** Writes a private key, gives the public one. */
async function wireguardKey(lab: Lab, name: string): Promise<{ file: string; key: string }> {
  const file = join(lab.directory, name);
  const script = 'umask 077; "$1" genkey >"$2" && "$1" pubkey <"$2"';
  const key = await runTool(findProgram('sh')!, ['-c', script, 'sh', findProgram('wg')!, file], lab.signal);
  return { file, key: key.trim() };
}

export const wireguardGo: Setup = {
  name: 'wireguard-go',
  about: `wireguard-go on two hosts (encrypts), MTU ${WIREGUARD_MTU}`,
  kind: 'overlay',
  peer: true,
  missing: () => missingPrograms(['wireguard-go', 'wg'], 'wireguard-go wireguard-tools'),
  async up(lab) {
    const ends = await twoEnds(lab);
    const keys = [await wireguardKey(lab, 'key1'), await wireguardKey(lab, 'key2')] as const;
    for (const at of [0, 1] as const) {
      const device = deviceOf(process.pid, at === 0 ? 'a' : 'b');
      const socket = wireguardSocket(device);
      lab.onClose(() => rmSync(socket, { force: true }));
      lab.daemon(`host ${at + 1}`, ends[at], 'wireguard-go', ['-f', device], { LOG_LEVEL: 'error' });
      const limit = performance.now() + 5000;
      while (!existsSync(socket)) {
        if (performance.now() > limit) throw new Error(`wireguard-go made no ${socket} within 5 s`);
        await sleep(20, undefined, { signal: lab.signal });
      }
      const other = CONTAINERS[1 - at]!;
      await ends[at].run('wg', [
        ...['set', device, 'listen-port', `${WIREGUARD_PORT}`, 'private-key', keys[at].file],
        ...['peer', keys[1 - at]!.key, 'endpoint', `${HOSTS[1 - at]}:${WIREGUARD_PORT}`],
        ...['allowed-ips', `${other.ip}/32,${other.ip6}/128`],
      ]);
      await addAddresses(ends[at], device, addressesOf(CONTAINERS[at]));
      await ends[at].ip('link', 'set', device, 'mtu', `${WIREGUARD_MTU}`, 'up');
    }
    return { a: ends[0], b: ends[1] };
  },
};

const NEBULA_PORT = 4242;
/** Its default is 1300, for unknown paths; this is the most that fits here: 60 bytes of IPv4, UDP, header and tag. */
const NEBULA_MTU = UNDERLAY_MTU - 60;

export const nebula: Setup = {
  name: 'nebula',
  about: `nebula on two hosts (encrypts), MTU ${NEBULA_MTU}; IPv4 only`,
  kind: 'overlay',
  peer: true,
  missing: () => missingPrograms(['nebula', 'nebula-cert'], 'nebula'),
  async up(lab) {
    const at = (name: string) => join(lab.directory, name);
    const cert = (...args: string[]) => runTool(findProgram('nebula-cert')!, args, lab.signal);
    const authority = ['-out-crt', at('ca.crt'), '-out-key', at('ca.key')];
    await cert('ca', '-name', 'overlane bench', '-duration', '24h', ...authority);
    const ends = await twoEnds(lab);
    for (const i of [0, 1] as const) {
      const host = `host${i + 1}`;
      const files = ['-out-crt', at(`${host}.crt`), '-out-key', at(`${host}.key`)];
      const signed = ['-name', host, '-ip', `${CONTAINERS[i].ip}/24`, ...files];
      await cert('sign', '-ca-crt', at('ca.crt'), '-ca-key', at('ca.key'), ...signed);
      const config = lab.file(`${host}.yaml`, JSON.stringify(nebulaConfig(lab.directory, i)));
      lab.daemon(`host ${i + 1}`, ends[i], 'nebula', ['-config', config]);
    }
    return { a: ends[0], b: ends[1] };
  },
};

/** JSON is YAML. */
function nebulaConfig(directory: string, at: 0 | 1): object {
  const any = [{ port: 'any', proto: 'any', host: 'any' }];
  return {
    pki: {
      ca: join(directory, 'ca.crt'),
      cert: join(directory, `host${at + 1}.crt`),
      key: join(directory, `host${at + 1}.key`),
    },
    static_host_map: { [CONTAINERS[1 - at]!.ip]: [`${HOSTS[1 - at]}:${NEBULA_PORT}`] },
    lighthouse: { am_lighthouse: false },
    listen: { host: HOSTS[at], port: NEBULA_PORT },
    tun: { dev: 'nebula0', mtu: NEBULA_MTU },
    logging: { level: 'error', format: 'text' },
    firewall: { outbound: any, inbound: any },
  };
}
