/** Encrypted overlays over real sockets and interfaces: everything arrives, and the underlay sees ESP only. */
import { describe, expect, it } from 'vitest';
import { hasRoot, NEEDS_ROOT } from '../live/netns.js';
import { hasIperf3, iperf, NEEDS_IPERF3 } from '../live/traffic.js';
import { hasTool } from '../peers.js';
import { Capture, expectSealed, liveNodes, nothingRefused, pingsBothWays, type Setting } from './live-nodes.js';

const hasTools = hasIperf3 && hasTool('tcpdump') && hasTool('ethtool');
const NEEDS_TOOLS = `${NEEDS_IPERF3} (needs tcpdump and ethtool: apt-get install tcpdump ethtool)`;

const SETTINGS: Setting[] = [
  { profile: 'strong', carrier: 'udp', version: 4, keyBits: 128 },
  { profile: 'strong', carrier: 'udp', version: 4, keyBits: 256, workers: 2 },
  { profile: 'strong', carrier: 'udp', version: 6, keyBits: 128, workers: 2 },
  { profile: 'docker', carrier: 'udp', version: 4, keyBits: 128, workers: 2 },
  { profile: 'docker', carrier: 'udp', version: 6, keyBits: 256 },
  { profile: 'strong', carrier: 'packet', version: 4, keyBits: 128 },
  { profile: 'strong', carrier: 'packet', version: 6, keyBits: 256 },
  { profile: 'docker', carrier: 'packet', version: 4, keyBits: 128 },
  { profile: 'docker', carrier: 'packet', version: 6, keyBits: 128 },
];

const nameOf = ({ profile, carrier, version, keyBits, workers = 1 }: Setting) =>
  `${profile}, AES-${keyBits}, ${carrier}, IPv${version}, ${workers} worker${workers === 1 ? '' : 's'}`;

describe.skipIf(!hasRoot)(`an encrypted overlay ${NEEDS_ROOT}`, () => {
  it.skipIf(!hasTools).each(SETTINGS.map((setting) => [nameOf(setting), setting] as const))(
    `carries pings and TCP both ways, and shows ESP only: %s ${NEEDS_TOOLS}`,
    async (_, setting) => {
      const nodes = await liveNodes(setting);
      const [one, two] = nodes;
      const capture = await Capture.start(one.host);
      await pingsBothWays(nodes);
      // As much as a capture keeps up with.
      const limited = ['-n', '4M', '-b', '200M'];
      const ways = [
        await iperf(one.container, two.container, two.ip, limited),
        await iperf(two.container, one.container, one.ip6, limited),
      ];
      expectSealed(await capture.stop(), setting);
      for (const { bytes } of ways) expect(bytes).toBeGreaterThan(3 * 2 ** 20);
      // And as much as there can be, without one.
      const fast = await iperf(one.container, two.container, two.ip, ['-n', '64M', '--bidir']);
      expect(fast.bytes).toBeGreaterThan(2 ** 20);
      await nothingRefused(one, two);
      for (const { dataplane } of nodes) {
        const { sealed, opened } = dataplane.counters().total;
        expect(Number(sealed)).toBeGreaterThan(1000);
        expect(Number(opened)).toBeGreaterThan(1000);
      }
    },
    40_000,
  );
});
