/** Two VLANs of one wire: macvlan and ipvlan networks over AF_PACKET, against another overlane and against scapy. */
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { Dataplane, type Port } from '../../src/index.js';
import { hasScapy, NEEDS_SCAPY } from '../peers/scapy.js';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns, ping } from './netns.js';
import { transfer } from './traffic.js';

const MEBIBYTES = 16;
const PEER = fileURLToPath(new URL('trunk_peer.py', import.meta.url));

const open = new Set<Dataplane>();
afterEach(async () => {
  for (const dataplane of open) await dataplane.close();
  open.clear();
});

interface Host {
  dataplane: Dataplane;
  wire: Port;
  /** On VLAN 100, with a MAC of its own, and on VLAN 200, with that of the wire. */
  macvlan: Netns;
  ipvlan: Netns;
}

function tap(dataplane: Dataplane, netns: Netns, mac: string, address: string): Port {
  return dataplane.addPort({
    type: 'tap',
    netns: netns.path,
    interface: 'eth0',
    name: netns.name,
    mac,
    addresses: [address],
    mtu: 1500,
  });
}

async function host(n: 1 | 2, netns: Netns, workers: number): Promise<Host> {
  const dataplane = new Dataplane({ workers: Array(workers).fill({}) });
  open.add(dataplane);
  const wire = dataplane.addPort({ type: 'packet', netns: netns.path, interface: 'wire', promiscuous: true });
  const [macvlan, ipvlan] = [new Netns(`m${n}`), new Netns(`i${n}`)];
  const mac = `02:42:0a:64:00:0${n}`;
  dataplane
    .addBridge({ forwarding: 'macvlan-bridge' })
    .attach(wire, { uplink: true, vlan: 100 })
    .attach(tap(dataplane, macvlan, mac, `10.100.0.${n}/24`), { mac });
  dataplane
    .addBridge({ forwarding: 'ipvlan-l2', mac: wire.mac! })
    .attach(wire, { uplink: true, vlan: 200 })
    .attach(tap(dataplane, ipvlan, wire.mac!, `10.200.0.${n}/24`), { addresses: [`10.200.0.${n}`] });
  await dataplane.start();
  return { dataplane, wire, macvlan, ipvlan };
}

function wireOf(): [Netns, Netns] {
  const ends: [Netns, Netns] = [new Netns('w1'), new Netns('w2')];
  joinByVeth([ends[0], '192.168.77.1/24'], [ends[1], '192.168.77.2/24']);
  return ends;
}

async function arrives(from: Netns, to: Netns, address: string): Promise<void> {
  const [sent, got] = await transfer(from, to, address, { mebibytes: MEBIBYTES, limit: 25_000 });
  expect(got).toMatchObject({ bytes: MEBIBYTES * 2 ** 20, sha256: sent.sha256 });
}

/** What may not be needed on the way. */
function nothingBroken({ dataplane }: Host): void {
  const { drops, balanced } = dataplane.counters();
  expect(Object.keys(drops).filter((name) => /malformed|mtu|offload|error|static|address|headroom/.test(name))).toEqual(
    [],
  );
  expect(balanced).toBe(true);
}

describe.skipIf(!hasRoot)(`VLANs of one wire ${NEEDS_ROOT}`, () => {
  it('carry TCP with segmentation offload, both ways, in both networks, which do not meet', async () => {
    const [w1, w2] = wireOf();
    const [one, two] = [await host(1, w1, 1), await host(2, w2, 2)];
    await arrives(one.macvlan, two.macvlan, '10.100.0.2');
    await arrives(two.macvlan, one.macvlan, '10.100.0.1');
    await arrives(one.ipvlan, two.ipvlan, '10.200.0.2');
    await arrives(two.ipvlan, one.ipvlan, '10.200.0.1');
    // Whole super-frames crossed the trunk: far fewer packets than segments.
    const { tx_packets, tx_bytes } = one.dataplane.counters().ports[one.wire.name]!;
    expect(Number(tx_bytes) / Number(tx_packets)).toBeGreaterThan(3000);
    // An address of the other network, on the same wire.
    one.macvlan.ip('address', 'add', '10.200.0.77/24', 'dev', 'eth0');
    expect(await ping(one.macvlan, '10.200.0.2', { count: 1 })).toBe(0);
    for (const side of [one, two]) nothingBroken(side);
  }, 90_000);

  it.skipIf(!hasScapy)(
    `are those of 802.1Q, says scapy ${NEEDS_SCAPY}`,
    async () => {
      const [w1, w2] = wireOf();
      const { dataplane, wire } = await host(1, w1, 1);
      const questions = ['100', '10.100.0.1', '200', '10.200.0.1', '300', '10.100.0.1'];
      const { out } = await w2.exec('/usr/bin/python3', PEER, 'wire', ...questions);
      expect(JSON.parse(out)).toEqual([
        { mac: '02:42:0a:64:00:01', vlans: [100, 100], echo: true },
        { mac: wire.mac, vlans: [200, 200], echo: true },
        { mac: null },
      ]);
      expect(dataplane.counters().drops['drop_vlan_unknown']).toBeGreaterThan(0n);
    },
    60_000,
  );
});
