/** `overlane inspect`: the tables, and whom it is about. */
import { beforeEach, expect, it } from 'vitest';
import { StandIn } from './overlaned.js';

const daemon = await StandIn.open();

const VIEW = {
  networks: [
    {
      id: 'a'.repeat(64),
      name: 'front',
      driver: 'overlay',
      bridges: [
        {
          name: 'br-a',
          underlay: 'u0',
          mtu: 1450,
          vnis: [{ vlan: null, vni: 4097 }],
          encryption: null,
          ports: ['web', 'gw'],
          fdb: [
            { mac: '02:42:0a:00:00:02', vlan: null, port: 'web', vtep: null, static: false, age: 12.7 },
            { mac: '02:42:0a:00:00:03', vlan: 7, port: null, vtep: '192.168.77.2', static: true, age: 0 },
            { mac: '02:42:0a:00:00:04', vlan: null, port: null, vtep: '192.168.77.2', static: true, age: 0 },
          ],
          neighbors: [{ ip: '10.0.0.3', mac: '02:42:0a:00:00:03', vlan: null, static: true }],
        },
      ],
    },
    { id: 'b'.repeat(64), name: 'none', driver: 'null', bridges: [] },
  ],
  ports: [
    {
      name: 'web',
      type: 'tap',
      interface: 'eth0',
      netns: '/run/netns/web',
      mtu: 1450,
      error: null,
      counters: { rx_packets: '1234567', rx_bytes: '98765432101234567890', drop_mtu: '3' },
    },
  ],
  counters: {
    received: '1234567',
    originated: '0',
    cloned: '0',
    segmented: '0',
    transmitted: '1234564',
    consumed: '0',
    coalesced: '0',
    waiting: '0',
    dropped: '3',
    balanced: true,
  },
};

beforeEach(() => {
  daemon.asked = [];
  daemon.answers = {};
});

/** Answers only when asked about this. */
function only(kind: string, ref: string): void {
  daemon.answers['GET /overlane/inspect'] = (response, { query }) => {
    const found = query[kind] === ref && Object.keys(query).length === 1;
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ? VIEW : { message: 'not found' }));
  };
}

it('tables of everything', async () => {
  daemon.answers['GET /overlane/inspect'] = { body: VIEW };
  const { status, stdout, stderr } = await daemon.overlane('inspect');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const row of [
    /^front +overlay +br-a +1450 +4097 +u0 +web, gw$/m,
    /^none +null$/m,
    /^br-a +02:42:0a:00:00:02 +web +12 s$/m,
    /^br-a +02:42:0a:00:00:03 +7 +192\.168\.77\.2 +static$/m,
    /^br-a +10\.0\.0\.3 +02:42:0a:00:00:03 +static$/m,
    /^192\.168\.77\.2 +front +br-a +2$/m,
    /^web +tap +eth0 +\/run\/netns\/web +1450 +1,234,567 +98,765,432,101,234,567,890 +0 +0$/m,
    /^web +drop_mtu +3$/m,
    /^received 1,234,567 .* = transmitted 1,234,564 .* \+ dropped 3; balanced: every packet is accounted for$/m,
  ]) {
    expect(stdout).toMatch(row);
  }
});

it('a sum that does not hold is said', async () => {
  daemon.answers['GET /overlane/inspect'] = { body: { ...VIEW, counters: { ...VIEW.counters, balanced: false } } };
  expect((await daemon.overlane('inspect')).stdout).toContain('not balanced');
});

it.each(['network', 'sandbox'])('about a %s, by one word; --json is as it came', async (kind) => {
  only(kind, 'a&b');
  const { status, stdout } = await daemon.overlane('inspect', '--json', 'a&b');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toEqual(VIEW);
});

it('what is neither is an error', async () => {
  only('network', 'other');
  const { status, stderr } = await daemon.overlane('inspect', 'x');
  expect(status).toBe(1);
  expect(stderr).toMatch(/no network and no sandbox x; .*'overlane sandbox ls'.* \(ERR_OVERLANE_MISSING\)\n$/);
});
