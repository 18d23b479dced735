import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { congestionProblem } from '../../bench/live/congestion.js';
import { foreignTicks, parseProcess, parseStat } from '../../bench/live/cpu.js';
import type { Figures, Gauge } from '../../bench/live/gauge.js';
import { parsePing } from '../../bench/live/gauges/ping.js';
import { parseIperf, tcpGauges } from '../../bench/live/gauges/tcp.js';
import { chooseLive, GAUGES } from '../../bench/live/main.js';
import { deviceOf, leftovers, ownerOf, prefixOf, wireguardSocket } from '../../bench/live/names.js';
import {
  type CellResult,
  type LiveOutcome,
  liveMisses,
  liveName,
  toLiveRatios,
  toLiveRow,
} from '../../bench/live/outcome.js';
import { highestRate, type Probe } from '../../bench/live/search.js';
import { type Setup, slug } from '../../bench/live/setup.js';
import { SETUPS } from '../../bench/live/setups/index.js';
import { livePictures } from '../../bench/live/svg.js';
import { formatLive } from '../../bench/live/table.js';
import { bridgeTopology, overlayTopology } from '../../bench/live/topology.js';
import { judge, lastJson } from '../../bench/live/udp-load.js';
import type { Terminal } from '../../bench/report/table.js';
import { vxlanMtu } from '../../src/dataplane/mtu.js';

describe('names of what a run leaves', () => {
  it('tell their run, and no other name does', () => {
    expect(ownerOf(`${prefixOf(4711)}kernel-vxlan-c1`)).toBe(4711);
    expect(ownerOf(basename(wireguardSocket(deviceOf(4194304, 'b'))))).toBe(4194304);
    expect(deviceOf(4194304, 'b').length).toBeLessThanOrEqual(15);
    for (const name of [
      'ovl-bench-',
      'ovl-bench-x-c1',
      'ovl-bench-0-c1',
      'ovl-bench-12',
      'my-ovl-bench-12-c1',
      'c1',
      'ovl12c.sock',
      'wg0.sock',
    ])
      expect(ownerOf(name)).toBeNull();
  });

  it('are swept only when their run is gone', () => {
    const names = ['ovl-bench-10-veth-c1', 'ovl-bench-11-veth-c1', 'docker', 'ovl-bench-100-veth-c1'];
    expect(leftovers(names, (pid) => pid === 10)).toEqual(['ovl-bench-11-veth-c1', 'ovl-bench-100-veth-c1']);
    expect(leftovers([`${prefixOf(process.pid)}veth-c1`, `${prefixOf(1)}veth-c1`])).toEqual([]);
  });

  it('are different for every setup', () => {
    expect(new Set(SETUPS.map(slug)).size).toBe(SETUPS.length);
    for (const setup of SETUPS) expect(slug(setup)).toMatch(/^[a-z][a-z0-9-]*[a-z0-9]$/);
  });
});

describe('topology files', () => {
  const places = { container: '/run/netns/c1', host: '/run/netns/h1', device: 'under0' };

  it('put a TAP port and a UDP underlay on either host, and tell it the other container', () => {
    expect(parse(overlayTopology({ at: 0, wire: 'udp', ...places }))).toEqual({
      ports: {
        c1: {
          type: 'tap',
          netns: '/run/netns/c1',
          name: 'eth0',
          mac: '02:42:0a:63:00:02',
          addresses: ['10.99.0.2/24'],
          mtu: 1450,
        },
      },
      underlays: { u0: { type: 'udp', local: '192.168.77.1', netns: '/run/netns/h1' } },
      bridges: { br0: { vni: 4097, underlay: 'u0', ports: ['c1'], proxyArp: true, unknownUnicast: 'drop' } },
      peers: [{ vni: 4097, mac: '02:42:0a:63:00:03', ip: '10.99.0.3', vtep: '192.168.77.2' }],
    });
  });

  it.each([
    ['strong', 1408],
    ['docker', 1424],
  ] as const)('encrypt with a key file of profile %s, with what that leaves of the MTU', (profile, mtu) => {
    const encryption = { profile, keys: '/tmp/x/overlay.key' };
    const topology = parse(overlayTopology({ at: 0, wire: 'udp', ...places, encryption }));
    expect(topology).toMatchObject({ ports: { c1: { mtu } }, bridges: { br0: { vni: 4097, encryption } } });
    expect(vxlanMtu(1500, 4, profile)).toBe(mtu);
  });

  it.each(['packet', 'xdp'] as const)('send frames through a port of type %s, from addresses no kernel has', (wire) => {
    const topology = parse(overlayTopology({ at: 1, wire, ...places })) as Record<string, Record<string, object>>;
    expect(topology['ports']!['wire']).toEqual({ type: wire, interface: 'under0', netns: '/run/netns/h1' });
    expect(topology['underlays']!['u0']).toMatchObject({ type: 'frame', port: 'wire', local: '192.168.78.2/24' });
    expect(topology['peers']).toMatchObject([{ ip: '10.99.0.2', vtep: '192.168.78.1' }]);
  });

  it('put both containers on the bridge of one host', () => {
    const topology = parse(bridgeTopology(['/run/netns/a', '/run/netns/b'])) as Record<string, Record<string, object>>;
    expect(topology['ports']).toMatchObject({ c1: { netns: '/run/netns/a' }, c2: { netns: '/run/netns/b' } });
    expect(topology['bridges']).toEqual({ br0: { ports: ['c1', 'c2'] } });
    expect(topology).not.toHaveProperty('underlays');
  });
});

describe('what the tools print', () => {
  const report = {
    intervals: [{ sum: { bytes: 250_000_000, omitted: true } }, { sum: { bytes: 1_000_000_000, omitted: false } }],
    end: {
      sum_sent: { bytes: 1_000_000_000, retransmits: 7 },
      sum_received: { seconds: 1.0, bytes: 1_000_000_000, bits_per_second: 8e9 },
      cpu_utilization_percent: { host_total: 91.5, remote_total: 60 },
    },
  };

  it('iperf3: what counts, and all that was moved', () => {
    const text = `warning: something\n${JSON.stringify(report)}\n`;
    expect(parseIperf(text)).toEqual({
      gbps: 8,
      gigabits: 10,
      retransmits: 7,
      clientShare: 0.915,
      serverShare: 0.6,
      seconds: 1,
    });
  });

  it('iperf3: its errors, and none that says so', () => {
    expect(() => parseIperf('{"error":"unable to connect to server"}')).toThrow('iperf3: unable to connect');
    expect(() => parseIperf('iperf3: segfault')).toThrow(/no JSON.*segfault/);
    expect(() => parseIperf('{"end":{}}')).toThrow('moved no data');
  });

  it('ping: every round trip, and nothing else', () => {
    const text = `PING 10.99.0.3 (10.99.0.3) 56(84) bytes of data.
64 bytes from 10.99.0.3: icmp_seq=1 ttl=64 time=0.045 ms
From 10.99.0.2 icmp_seq=2 Destination Host Unreachable
64 bytes from 10.99.0.3: icmp_seq=3 ttl=64 time=1.5 ms

--- 10.99.0.3 ping statistics ---
3 packets transmitted, 2 received, +1 errors, 33% packet loss, time 4ms
rtt min/avg/max/mdev = 0.045/0.772/1.500/0.727 ms`;
    expect(parsePing(text)).toEqual([45, 1500]);
  });

  it('/proc/stat: busy without idle, waiting and stolen; guests are not counted twice', () => {
    const text = 'cpu  100 20 30 800 40 5 15 60 70 8\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n';
    expect(parseStat(text)).toEqual({ busy: 170, stolen: 60, total: 1070 });
    expect(() => parseStat('nothing')).toThrow('no line "cpu"');
  });

  it('/proc/PID/stat: also of a process with a wild name', () => {
    const line = '42 (a) b (c) R 7 42 42 0 -1 4194304 1 2 3 4 100 20 3 4 20 0 1 0 99 0 0';
    expect(parseProcess(line)).toEqual({ pid: 42, parent: 7, ticks: 127 });
  });

  it('udp_load: loss from both ends; wrong content is an error', () => {
    const sink = { received: 999, reordered: 3, duplicates: 0, bad: 0 };
    const result = judge({ sent: 1000, pps: 5000 }, sink);
    expect(result).toMatchObject({ sent: 5000, received: 4995, packets: 999, reordered: 3 });
    expect(result.loss).toBeCloseTo(0.001);
    expect(() => judge({ sent: 1000, pps: 5000 }, { ...sink, bad: 1 })).toThrow('1 packets arrived with wrong content');
    expect(() => judge({ sent: 0, pps: 0 }, sink)).toThrow('could send nothing');
    expect(lastJson('ready\n{"received":3}\n')).toEqual({ received: 3 });
    expect(() => lastJson('ready\n')).toThrow("printed 'ready'");
  });
});

describe('processes that are not ours', () => {
  const all = [
    { pid: 1, parent: 0, ticks: 1 },
    { pid: 2, parent: 0, ticks: 10 },
    { pid: 20, parent: 2, ticks: 100 },
    { pid: 50, parent: 1, ticks: 1000 },
    { pid: 51, parent: 50, ticks: 10_000 },
    { pid: 60, parent: 1, ticks: 100_000 },
  ];

  it('are all but this one, its descendants and the kernel', () => {
    expect(foreignTicks(all, 50)).toBe(100_001);
    expect(foreignTicks(all, 60)).toBe(11_001);
  });
});

/** A link that loses what is over its capacity, behind a generator with a limit. */
function link(capacity: number, generator: number) {
  const rates: (number | null)[] = [];
  const probe = (rate: number | null): Promise<Probe> => {
    rates.push(rate);
    const sent = Math.min(rate ?? Number.POSITIVE_INFINITY, generator);
    const received = Math.min(sent, capacity);
    return Promise.resolve({ sent, received, loss: 1 - received / sent });
  };
  return { rates, probe };
}

describe('the search for the highest rate', () => {
  it.each([1_000, 65_000, 300_000, 990_000])(
    'finds a capacity of %d packets a second, from below',
    async (capacity) => {
      const { rates, probe } = link(capacity, 1_000_000);
      const found = await highestRate(probe, { steps: 8 });
      expect(found!.probe.received).toBeGreaterThan(capacity * 0.93);
      expect(found!.probe.received).toBeLessThanOrEqual(capacity * 1.001);
      expect(found!.offered).toBe(1_000_000);
      expect(rates.length).toBeLessThanOrEqual(17);
    },
  );

  it('takes the maximum where nothing is lost', async () => {
    const { rates, probe } = link(2_000_000, 1_000_000);
    expect(await highestRate(probe, { steps: 8 })).toMatchObject({ rate: null, offered: 1_000_000 });
    expect(rates).toEqual([null]);
  });

  it('finds a rate above what arrives under overload', async () => {
    const collapsing = (rate: number | null) => {
      const sent = rate ?? 1_000_000;
      const received = sent <= 200_000 ? sent : 20_000;
      return Promise.resolve({ sent, received, loss: 1 - received / sent });
    };
    const found = await highestRate(collapsing, { steps: 8 });
    expect(found!.rate).toBeGreaterThan(180_000);
    expect(found!.rate).toBeLessThanOrEqual(200_000);
  });

  it('tries a rate that lost a little once more', async () => {
    let calls = 0;
    const { probe } = link(100_000, 1_000_000);
    const noisy = async (rate: number | null) => {
      const result = await probe(rate);
      calls++;
      return calls === 2 ? { ...result, loss: 0.01 } : result;
    };
    expect((await highestRate(noisy, { steps: 8 }))!.rate).toBeGreaterThan(93_000);
  });

  it('ends, without a rate, where something is always lost, and where nothing arrives', async () => {
    for (const lost of [0.01, 1]) {
      let calls = 0;
      const lossy = (rate: number | null) => {
        calls++;
        const sent = rate ?? 1e6;
        return Promise.resolve({ sent, received: sent * (1 - lost), loss: lost });
      };
      expect(await highestRate(lossy, { steps: 8 })).toBeNull();
      expect(calls).toBeLessThanOrEqual(17);
    }
  });
});

function named(name: string): Setup {
  return SETUPS.find((setup) => setup.name === name)!;
}

function cell(gauge: Gauge, setup: string, values: number[], more: Partial<CellResult> = {}): CellResult {
  return {
    gauge,
    setup: named(setup),
    samples: values.map((value): Figures => ({ [gauge.main]: value, quiet: 1 })),
    ...more,
  };
}

const tcp = tcpGauges[0]!;
const ping = GAUGES.find(({ name }) => name === 'ping')!;
const results = [
  cell(tcp, 'bare veth', [20, 20, 20]),
  cell(tcp, 'kernel vxlan', [10, 12, 11]),
  cell(tcp, 'overlane udp', [9, 8, 10]),
  cell(tcp, 'kernel bridge', [15, 15, 15]),
  cell(tcp, 'nebula', [], { absent: 'not installed (apt-get install nebula)' }),
  cell(tcp, 'overlane xdp', [3], { failure: 'iperf3: control socket has closed' }),
  cell(ping, 'kernel vxlan', [50]),
  cell(ping, 'overlane udp', [25]),
];

const outcome: LiveOutcome = {
  format: 1,
  kind: 'live',
  overlane: '0.0.0',
  date: '2026-01-01T00:00:00.000Z',
  machine: {
    cpu: 'Test CPU',
    cores: 2,
    memory: 2 ** 33,
    kernel: 'Linux 6',
    node: 'v20',
    governor: null,
    virtual: true,
  },
  pinning: 'nothing is pinned',
  congestion: 'westwood',
  rounds: 3,
  seconds: 1,
  interrupted: false,
  generator: { sendmmsg: 150_000, gso: 800_000 },
  setups: [
    ...SETUPS.filter(({ name }) => name !== 'overlane packet').map(({ name, about, kind }) => ({
      name,
      about,
      kind,
      idleCpu: name === 'overlane udp' ? 0.5 : null,
      absent: null,
      failure: null,
    })),
    { name: 'overlane packet', about: '', kind: 'overlay', idleCpu: null, absent: null, failure: 'no answer to ping' },
  ],
  rows: results.map(toLiveRow),
  ratios: toLiveRatios(results),
};

const plain: Terminal = {
  formatTable: (columns, rows) =>
    [columns.map((c) => (typeof c === 'string' ? c : c.title)), ...rows].map((row) => row.join(';')).join('\n'),
  paint: (_, text) => text,
};

describe('the report', () => {
  it('compares overlane with what is of its kind and with the ceiling, the better way round', () => {
    const short = outcome.ratios.map(({ gauge, own, rival, ratio }) => [gauge, own, rival, ratio]);
    expect(short).toEqual([
      ['tcp', 'overlane udp', 'bare veth', 0.45],
      ['tcp', 'overlane udp', 'kernel vxlan', 9 / 11],
      ['tcp', 'overlane xdp', 'bare veth', 0.15],
      ['tcp', 'overlane xdp', 'kernel vxlan', 3 / 11],
      ['ping', 'overlane udp', 'kernel vxlan', 2],
    ]);
    expect(outcome.ratios[1]).toMatchObject({ min: 8 / 12, max: 10 / 11, wanted: 1, met: false });
    expect(liveMisses(outcome)).toEqual(['tcp [1 stream] overlane udp against kernel vxlan: 0.82 x, wanted 1 x']);
  });

  it('compares an encrypted setup with itself in the clear, and with others that encrypt, by what is wanted', () => {
    const encrypted = [
      cell(tcp, 'overlane udp', [9, 8, 10]),
      cell(tcp, 'overlane udp, encrypted', [4, 5, 4]),
      cell(tcp, 'overlane udp, docker profile', [3]),
      cell(tcp, 'wireguard-go', [2]),
      cell(tcp, 'nebula', [5]),
      cell(ping, 'overlane udp', [50]),
      cell(ping, 'overlane udp, encrypted', [100]),
    ];
    const ratios = toLiveRatios(encrypted).map(({ gauge, own, rival, wanted, met }) => [
      gauge,
      own,
      rival,
      wanted,
      met,
    ]);
    expect(ratios).toEqual([
      ['tcp', 'overlane udp', 'wireguard-go', null, null],
      ['tcp', 'overlane udp', 'nebula', null, null],
      ['tcp', 'overlane udp, encrypted', 'overlane udp', 0.5, false],
      ['tcp', 'overlane udp, encrypted', 'wireguard-go', 1, true],
      ['tcp', 'overlane udp, encrypted', 'nebula', 1, false],
      ['tcp', 'overlane udp, docker profile', 'overlane udp', null, null],
      ['tcp', 'overlane udp, docker profile', 'wireguard-go', null, null],
      ['tcp', 'overlane udp, docker profile', 'nebula', null, null],
      ['ping', 'overlane udp, encrypted', 'overlane udp', null, null],
    ]);
  });

  it('shows figures, what failed, what is absent, and who is not idle', () => {
    const text = formatLive(outcome, plain);
    expect(text).toContain('tcp;1 stream;kernel vxlan;11.0;10.0-12.0;Gb/s');
    expect(text).toContain('overlane packet;overlay;;failed: no answer to ping');
    expect(text).toContain('absent: not installed (apt-get install nebula)');
    expect(text).toContain('then failed: iperf3: control socket has closed');
    expect(text).toContain('idle: 50 % of a core, which disturbs the others');
    expect(text).toContain("TCP's congestion control: westwood");
    expect(text).toContain('150 kpps; with UDP_SEGMENT 800 kpps');
    expect(text).toContain('overlane udp;tcp;1 stream;kernel vxlan;0.82 x;0.67-0.91;1 x;missed');
    expect(text).not.toContain('disturbed (');
  });

  it('says when somebody else was at work', () => {
    const row = toLiveRow({
      ...results[0]!,
      samples: [
        { gbps: 20, quiet: 0.99 },
        { gbps: 10, quiet: 0.5 },
      ],
    });
    expect(formatLive({ ...outcome, rows: [row] }, plain)).toContain('disturbed (had 50 % of the machine)');
  });

  it('draws what was measured, and nothing of nothing', () => {
    const files = livePictures(outcome);
    expect([...files.keys()]).toEqual(['live-tcp.svg', 'live-cpu.svg', 'live-ping.svg']);
    for (const text of ['kernel vxlan', 'Gb/s', 'Test CPU', '1 stream', 'westwood'])
      expect(files.get('live-tcp.svg')).toContain(text);
    expect(files.get('live-ping.svg')).not.toContain('westwood');
    expect(livePictures({ ...outcome, rows: [] }).size).toBe(0);
  });
});

describe("TCP's congestion control", () => {
  const controls = { available: ['reno', 'bbr', 'cubic'], allowed: ['reno', 'cubic'] };

  it.each([
    ['cubic', null],
    ['vegas', /no 'vegas'; available are reno, bbr, cubic, and modprobe tcp_NAME/],
    ['', /no ''; available are/],
    ['bbr', /sysctl -w net\.ipv4\.tcp_allowed_congestion_control="reno cubic bbr"$/],
  ])('%o is fit for namespaces, or what helps is said', (name, problem) => {
    const said = congestionProblem(name, controls);
    if (problem === null) expect(said).toBeNull();
    else expect(said).toMatch(problem);
  });
});

describe('the choice', () => {
  const options = { rounds: 1, seconds: 1, quick: false, peers: true };
  const names = (more: object) => chooseLive({ ...options, ...more }).map(({ gauge, setup }) => liveName(gauge, setup));

  it('is every setup for every gauge, with names of their own', () => {
    expect(new Set(names({})).size).toBe(SETUPS.length * GAUGES.length);
  });

  it('leaves out what the options leave out', () => {
    expect(names({ peers: false }).join()).not.toMatch(/nebula|wireguard/);
    expect(names({ quick: true })).toContain('udp [64 B] overlane udp');
    expect(names({ quick: true }).join()).not.toMatch(/nebula|xdp|SEGMENT|encrypted|docker/);
    expect(names({ only: 'TCP [1 stream] kernel' })).toEqual([
      'tcp [1 stream] kernel vxlan',
      'tcp [1 stream] kernel bridge',
    ]);
  });
});
