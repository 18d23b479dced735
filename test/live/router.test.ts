/** Routers between the networks of real containers, whose kernels judge: one hop, on one node and across two. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Bridge, Dataplane, type Router } from '../../src/index.js';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns } from './netns.js';
import { balances } from './sites.js';
import { transfer } from './traffic.js';

const open = new Set<Dataplane>();

afterEach(async () => {
  for (const dataplane of open) await dataplane.close();
  open.clear();
});

interface Node {
  dataplane: Dataplane;
  red: Bridge;
  blue: Bridge;
  router: Router;
}

const SUBNETS = { red: 9, blue: 10 } as const;
type Network = keyof typeof SUBNETS;

/** Host `n` of a network. */
function host(network: Network, n: number) {
  const subnet = SUBNETS[network];
  return { ip: `10.0.${subnet}.${n}`, ip6: `fd00:${subnet}::${n}`, mac: `02:42:0a:00:0${SUBNETS[network] - 8}:0${n}` };
}

/** Both bridges and their router, joined with another node where there is a namespace with an underlay. */
function node(wire?: { netns: Netns; local: string; far: string }, blueMtu = 1450): Node {
  const dataplane = new Dataplane();
  open.add(dataplane);
  const underlay = wire && dataplane.addUnderlay({ type: 'udp', netns: wire.netns.name, local: wire.local });
  const bridge = (name: Network, vni: number) =>
    dataplane.addBridge({ name, unknownUnicast: 'drop', ...(underlay ? { underlay, vni, vteps: [wire!.far] } : {}) });
  const [red, blue] = [bridge('red', 100), bridge('blue', 200)];
  const router = dataplane.addRouter();
  const addresses = (network: Network) => [`${host(network, 1).ip}/24`, `${host(network, 1).ip6}/64`];
  router.addInterface(red, { addresses: addresses('red'), mtu: 1450 });
  router.addInterface(blue, { addresses: addresses('blue'), mtu: blueMtu });
  return { dataplane, red, blue, router };
}

/** Host 2 of a network in a namespace of its own, which knows nothing but its gateway. */
function container({ dataplane, ...bridges }: Node, network: Network): Netns {
  const netns = new Netns(network);
  const { ip, ip6, mac } = host(network, 2);
  const gateway = host(network, 1);
  const tap = dataplane.addPort({
    type: 'tap',
    netns: netns.name,
    interface: 'eth0',
    mac,
    addresses: [`${ip}/24`, `${ip6}/64`],
    routes: [
      { to: 'default', via: gateway.ip },
      { to: 'default', via: gateway.ip6 },
    ],
    mtu: 1450,
  });
  bridges[network].attach(tap, { mac });
  for (const address of [ip, ip6]) bridges[network].addNeighbor({ ip: address, mac });
  return netns;
}

const said = async (from: Netns, to: string, ...words: string[]) =>
  (await from.exec('ping', '-n', '-c', '1', '-W', '2', ...words, to)).out;

async function oneHop(from: Netns, network: Network): Promise<void> {
  const { ip, ip6 } = host(network, 2);
  for (const to of [ip, ip6]) expect(await said(from, to)).toMatch(/ttl=63 /);
}

async function bothWays(red: Netns, blue: Netns, address: string): Promise<void> {
  const [sent, got] = await transfer(red, blue, address, { mebibytes: 32 });
  expect(got).toMatchObject({ bytes: 32 * 2 ** 20, sha256: sent.sha256 });
}

function nothingBroken({ dataplane }: Node): void {
  const { drops } = dataplane.counters();
  expect(Object.keys(drops).filter((name) => /malformed|checksum|truncated|offload|oversize|error/.test(name))).toEqual(
    [],
  );
}

describe.skipIf(!hasRoot)(`a router of real containers ${NEEDS_ROOT}`, () => {
  it('routes on one node, and says what it cannot', async () => {
    const one = node(undefined, 1400);
    const [red, blue] = [container(one, 'red'), container(one, 'blue')];
    await one.dataplane.start();
    await oneHop(red, 'blue');
    await oneHop(blue, 'red');

    const gateway = host('red', 1);
    for (const to of [gateway.ip, gateway.ip6, host('blue', 1).ip, `${one.router.linkLocal}%eth0`]) {
      expect(await said(red, to), to).toMatch(/ttl=64 /);
    }
    expect(await said(red, host('blue', 2).ip, '-t', '1')).toMatch(/From 10\.0\.9\.1 .*Time to live exceeded/);
    expect(await said(red, host('blue', 2).ip6, '-t', '1')).toMatch(/From fd00:9::1 .*Hop limit/);
    expect(await said(red, host('blue', 77).ip)).toMatch(/From 10\.0\.9\.1 .*Destination Host Unreachable/);
    expect(await said(red, host('blue', 77).ip6)).toMatch(/From fd00:9::1 .*Address unreachable/);
    expect(await said(red, '10.77.0.1')).toMatch(/From 10\.0\.9\.1 .*Destination Net Unreachable/);
    expect(await said(red, 'fd77::1')).toMatch(/From fd00:9::1 .*No route/);
    expect(await said(red, host('blue', 2).ip, '-M', 'do', '-s', '1400')).toMatch(/mtu ?= ?1400/);
    expect(await said(red, host('blue', 2).ip6, '-M', 'do', '-s', '1390')).toMatch(/mtu ?= ?1400/);
    // A datagram to the gateway is refused at once.
    const refused = await red.exec(
      'python3',
      '-c',
      `import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.connect(('${gateway.ip}', 9)); s.send(b'x'); s.recv(1)`,
    );
    expect(refused.out).toMatch(/ConnectionRefusedError/);

    await bothWays(red, blue, host('blue', 2).ip);
    await bothWays(blue, red, host('red', 2).ip6);
    await balances(one);
    nothingBroken(one);
  }, 60_000);

  it('routes on the node of the sender, between nodes', async () => {
    const hosts = [new Netns('h1'), new Netns('h2')] as const;
    const locals = ['192.168.77.1', '192.168.77.2'] as const;
    joinByVeth([hosts[0], `${locals[0]}/24`], [hosts[1], `${locals[1]}/24`]);
    const one = node({ netns: hosts[0], local: locals[0], far: locals[1] });
    const two = node({ netns: hosts[1], local: locals[1], far: locals[0] });
    const [red, blue] = [container(one, 'red'), container(two, 'blue')];
    for (const ip of [host('blue', 2).ip, host('blue', 2).ip6]) {
      one.blue.addPeer({ mac: host('blue', 2).mac, ip, vtep: locals[1] });
    }
    for (const ip of [host('red', 2).ip, host('red', 2).ip6]) {
      two.red.addPeer({ mac: host('red', 2).mac, ip, vtep: locals[0] });
    }
    await one.dataplane.start();
    await two.dataplane.start();
    await oneHop(red, 'blue');
    await oneHop(blue, 'red');
    for (const to of [host('red', 1).ip, host('red', 1).ip6]) expect(await said(red, to)).toMatch(/ttl=64 /);
    await bothWays(red, blue, host('blue', 2).ip);
    await bothWays(blue, red, host('red', 2).ip);
    for (const end of [one, two]) {
      expect(end.dataplane.counters().total['routed']).toBeGreaterThan(100n);
      expect(end.dataplane.counters().drops['drop_gateway_remote'] ?? 0n).toBe(0n);
      await balances(end);
      nothingBroken(end);
    }
  }, 60_000);
});
