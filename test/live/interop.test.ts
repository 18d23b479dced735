/** overlane on one host, the kernel's bridge and vxlan device on the other: what either says, the other understands. */
import { describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT, ping } from './netns.js';
import { balances, commandAndKernel, overlaneAndKernel, type Setting } from './sites.js';
import { hasIperf3, iperf, NEEDS_IPERF3, sendTagged, transfer } from './traffic.js';

/** Mb/s: a path that loses every super-frame and lives from what is sent again stays far below. */
const CRAWL = 20;
const MAX_VNI = 2 ** 24 - 1;

const told = { learning: false };
const learning = { learning: true };
const SETTINGS: Setting[] = [
  { carrier: 'udp', outer: 4, vni: 1, port: 4789, ...told },
  { carrier: 'udp', outer: 4, vni: MAX_VNI, port: 8472, ...learning },
  { carrier: 'udp', outer: 6, vni: MAX_VNI, port: 4789, ...learning },
  { carrier: 'udp', outer: 6, vni: 1, port: 8472, ...told, router: true },
  { carrier: 'packet', outer: 4, vni: MAX_VNI, port: 4789, ...told },
  { carrier: 'packet', outer: 6, vni: 1, port: 8472, ...learning },
  { carrier: 'packet', outer: 4, vni: 1, port: 8472, ...learning, router: true },
  { carrier: 'xdp', outer: 4, vni: 1, port: 8472, ...learning },
  { carrier: 'xdp', outer: 6, vni: MAX_VNI, port: 4789, ...told },
  { carrier: 'xdp', outer: 6, vni: 1, port: 4789, ...learning, router: true },
];

function nameOf({ carrier, outer, vni, port, learning: learns, router }: Setting): string {
  const way = router ? ' through a router' : '';
  return `${carrier} over IPv${outer}${way}, VNI ${vni}, port ${port}, ${learns ? 'learning' : 'told'}`;
}

describe.skipIf(!hasRoot)(`with the kernel's vxlan ${NEEDS_ROOT}`, () => {
  it.skipIf(!hasIperf3).each(SETTINGS.map((setting) => [nameOf(setting), setting] as const))(
    `%s ${NEEDS_IPERF3}`,
    async (_, setting) => {
      const [one, two] = await overlaneAndKernel(setting);
      const [c1, c2] = [one.container, two.container];
      for (const [from, to] of [
        [c1, two],
        [c2, one],
      ] as const) {
        const pings = [to.ip, to.ip6].flatMap((address) => [ping(from, address), ping(from, address, { size: 8000 })]);
        expect(await Promise.all(pings)).toEqual([3, 3, 3, 3]);
      }
      const amount = ['-n', '32M'];
      for (const address of [two.ip, two.ip6]) {
        expect((await iperf(c1, c2, address, amount)).megabits).toBeGreaterThan(CRAWL);
        expect((await iperf(c1, c2, address, [...amount, '-R'])).megabits).toBeGreaterThan(CRAWL);
      }
      // A receiver that is not given the processor in time loses some; a path that is broken loses most.
      for (const [address, ...way] of [[two.ip], [two.ip6, '-R']]) {
        const { packets, lost } = await iperf(c1, c2, address!, ['-u', '-b', '20M', '-l', '1300', '-t', '1', ...way]);
        expect(packets).toBeGreaterThan(500);
        expect(lost / packets).toBeLessThan(0.05);
      }
      expect(await sendTagged(c1, c2, two.mac, 100, 20)).toBe(20);
      expect(await sendTagged(c2, c1, one.mac, 4094, 20)).toBe(20);
      await balances(one);
      const { drops } = one.dataplane.counters();
      expect(Object.keys(drops).filter((name) => /malformed|checksum|truncated|offload|mtu/.test(name))).toEqual([]);
    },
  );

  it('overlane run, by a topology file', async () => {
    const setting = { carrier: 'udp', outer: 4, vni: 4097, port: 4789, learning: false } as const;
    const [one, two] = await commandAndKernel(setting);
    expect(await ping(one.container, two.ip)).toBe(3);
    expect(await ping(two.container, one.ip6, { size: 8000 })).toBe(3);
    const [sent, got] = await transfer(two.container, one.container, one.ip, { mebibytes: 16 });
    expect(got.sha256).toBe(sent.sha256);
    expect(await one.command.stop('SIGINT')).toBe(0);
    expect(JSON.parse(one.command.results)).toMatchObject({ complete: true, balanced: true, errors: [] });
    expect(one.container.links()).toEqual([]);
  });
});
