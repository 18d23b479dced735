/** Bytes that cross the overlay are those that were sent, whatever happens to the interfaces meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT, type Netns } from './netns.js';
import { balances, type OwnSite, overlaneAndKernel, overlaneTwice, type Setting, type Site } from './sites.js';
import { hasIperf3, iperf, NEEDS_IPERF3, transfer } from './traffic.js';

/** 1024 by hand: OVERLANE_TRANSFER_MIB=1024. */
const MEBIBYTES = Number(process.env['OVERLANE_TRANSFER_MIB'] ?? 128);

const base: Setting = { carrier: 'udp', outer: 4, vni: 4097, port: 4789, learning: false };

async function arrives(from: Site, to: Site, while_?: () => Promise<unknown>): Promise<void> {
  const [[sent, got]] = await Promise.all([
    transfer(from.container, to.container, to.ip, { mebibytes: MEBIBYTES, limit: 25_000 + MEBIBYTES * 100 }),
    while_?.(),
  ]);
  expect(got).toMatchObject({ bytes: MEBIBYTES * 2 ** 20, sha256: sent.sha256 });
}

/** What none of these transfers may cause. */
function nothingBroken({ dataplane }: OwnSite): void {
  const { drops } = dataplane.counters();
  expect(Object.keys(drops).filter((name) => /malformed|checksum|truncated|offload|oversize|error/.test(name))).toEqual(
    [],
  );
}

const LIMIT = 60_000 + MEBIBYTES * 200;

describe.skipIf(!hasRoot)(`a transfer arrives as it was sent ${NEEDS_ROOT}`, () => {
  it.skipIf(!hasIperf3).each([576, 1450, 9000])(
    `overlane to overlane, MTU %i, with iperf3 in both directions beside it ${NEEDS_IPERF3}`,
    async (mtu) => {
      const [one, two] = await overlaneTwice({ ...base, mtu });
      await arrives(one, two, () => iperf(one.container, two.container, two.ip, ['--bidir', '-t', '1']));
      for (const site of [one, two]) {
        await balances(site);
        nothingBroken(site);
      }
    },
    LIMIT,
  );

  it.skipIf(!hasIperf3).each<[number, Setting['carrier']]>([
    [576, 'udp'],
    [1450, 'udp'],
    [9000, 'udp'],
    [1450, 'packet'],
    [9000, 'packet'],
    [1450, 'xdp'],
  ])(
    `overlane and kernel, MTU %i, %s, both directions ${NEEDS_IPERF3}`,
    async (mtu, carrier) => {
      const [one, two] = await overlaneAndKernel({ ...base, carrier, mtu });
      await arrives(one, two, () => iperf(one.container, two.container, two.ip, ['--bidir', '-t', '1']));
      await arrives(two, one);
      await balances(one);
      nothingBroken(one);
    },
    LIMIT,
  );

  it(
    'while the container changes its MTU, its MAC and its link state',
    async () => {
      const [one, two] = await overlaneTwice({ ...base, learning: true });
      // A gratuitous ARP tells the others of the new MAC.
      for (const { container } of [one, two]) await container.exec('sysctl', '-qw', 'net.ipv4.conf.eth0.arp_notify=1');
      let changing = true;
      const changed = change(one.container).finally(() => {
        changing = false;
      });
      let transfers = 0;
      for (; changing; transfers++) await (transfers % 2 === 0 ? arrives(one, two) : arrives(two, one));
      expect(await changed).toBe(24);
      // And what comes after it goes well.
      await arrives(one, two);
      for (const site of [one, two]) {
        await balances(site);
        nothingBroken(site);
      }
    },
    LIMIT,
  );
});

/** Three rounds of it in about four seconds; how many changes. */
async function change(container: Netns): Promise<number> {
  const set = (...words: string[]) => container.ip('link', 'set', 'eth0', ...words);
  let changes = 0;
  for (let round = 0; round < 3; round++) {
    for (const mtu of [1000, 576, 1450]) {
      await sleep(100);
      set('mtu', `${mtu}`);
      changes++;
    }
    for (const last of ['0a', '0b', '01']) {
      await sleep(150);
      set('address', `02:42:0a:63:00:${last}`);
      changes++;
    }
    await sleep(250);
    set('down');
    await sleep(60);
    set('up');
    changes += 2;
    await sleep(250);
  }
  return changes;
}
