/** What is put on a bridge: wrong calls are refused, and failures taken back. */
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/index.js';
import { BROADCAST, station } from './frames.js';
import { any, expectRefusal, site } from './refusal.js';

describe('what is on a bridge', () => {
  function bridged() {
    const parts = site();
    const bridge = parts.dataplane
      .addBridge({ name: 'br', vni: 7, underlay: parts.underlay })
      .attach(parts.a, { mac: station(1) });
    bridge.addPeer({ mac: station(2), ip: '10.0.0.2', vtep: '192.168.77.2' });
    return { ...parts, bridge };
  }
  type Parts = ReturnType<typeof bridged>;

  it.each<[string, (parts: Parts) => unknown, ErrorCode, RegExp]>([
    [
      'attach: twice',
      ({ bridge, a }) => bridge.attach(a),
      'ERR_OVERLANE_BUSY',
      /port 'a' is attached to bridge 'br'; detach it first/,
    ],
    [
      'attach: an underlay port',
      ({ bridge, w }) => bridge.attach(w),
      'ERR_OVERLANE_BUSY',
      /port 'w' carries underlay 'u'/,
    ],
    [
      'attach: nothing',
      ({ bridge }) => bridge.attach(any(undefined)),
      'ERR_OVERLANE_OPTION',
      /the port to attach must be an open port/,
    ],
    [
      'attach: an option',
      ({ bridge, b }) => bridge.attach(b, any({ isolate: true })),
      'ERR_OVERLANE_OPTION',
      /unknown option 'isolate' of attach; did you mean 'isolated'/,
    ],
    [
      'attach: a group MAC',
      ({ bridge, b }) => bridge.attach(b, { mac: BROADCAST }),
      'ERR_OVERLANE_OPTION',
      /'mac' of attach: .* group address/,
    ],
    [
      "attach: a peer's MAC",
      ({ bridge, b }) => bridge.attach(b, { mac: station(2) }),
      'ERR_OVERLANE_EXISTS',
      /is a peer of bridge 'br'; remove it with removePeer/,
    ],
    [
      'attach: a MAC elsewhere',
      ({ bridge, b }) => bridge.attach(b, { mac: station(1) }),
      'ERR_OVERLANE_EXISTS',
      /is static on port 'a'/,
    ],
    [
      'attach: a limit',
      ({ bridge, b }) => bridge.attach(b, { fdbLimit: 65 }),
      'ERR_OVERLANE_OPTION',
      /'fdbLimit' of attach is 65, more than the bridge's, 64/,
    ],
    [
      'detach: not attached',
      ({ bridge, b }) => bridge.detach(b),
      'ERR_OVERLANE_MISSING',
      /port 'b' is not attached to bridge 'br'; attach it first/,
    ],
    [
      'addPeer: no VTEP',
      ({ bridge }) => bridge.addPeer(any({ mac: station(3) })),
      'ERR_OVERLANE_OPTION',
      /'vtep' of addPeer/,
    ],
    [
      'addPeer: a wrong MAC',
      ({ bridge }) => bridge.addPeer({ mac: '02-00', vtep: '192.168.77.2' }),
      'ERR_OVERLANE_OPTION',
      /'mac' of addPeer: "02-00" is not a MAC/,
    ],
    [
      'addPeer: a wrong IP',
      ({ bridge }) => bridge.addPeer({ mac: station(3), ip: '10.0.0.256', vtep: '192.168.77.2' }),
      'ERR_OVERLANE_OPTION',
      /'ip' of addPeer/,
    ],
    [
      'addPeer: a multicast IP',
      ({ bridge }) => bridge.addPeer({ mac: station(3), ip: 'ff02::1', vtep: '192.168.77.2' }),
      'ERR_OVERLANE_OPTION',
      /multicast/,
    ],
    [
      'addPeer: the other family',
      ({ bridge }) => bridge.addPeer({ mac: station(3), vtep: '2001:db8::2' }),
      'ERR_OVERLANE_OPTION',
      /is IPv6, but underlay 'u' is IPv4/,
    ],
    [
      'addPeer: this end',
      ({ bridge }) => bridge.addPeer({ mac: station(3), vtep: '192.168.77.1' }),
      'ERR_OVERLANE_OPTION',
      /this end of underlay/,
    ],
    [
      'addPeer: a local MAC',
      ({ bridge }) => bridge.addPeer({ mac: station(1), vtep: '192.168.77.2' }),
      'ERR_OVERLANE_EXISTS',
      /02:00:00:00:00:01 is static on port 'a' of bridge 'br'; remove that entry with removeFdb first/,
    ],
    [
      'addPeer: a VLAN',
      ({ bridge }) => bridge.addPeer({ mac: station(3), vtep: '192.168.77.2', vlan: 5 }),
      'ERR_OVERLANE_OPTION',
      /bridge 'br' has no VLAN map; leave 'vlan' out/,
    ],
    [
      'addPeer: VLAN 4095',
      ({ bridge }) => bridge.addPeer({ mac: station(3), vtep: '192.168.77.2', vlan: 4095 }),
      'ERR_OVERLANE_OPTION',
      /'vlan' of addPeer must be a whole number from 1 to 4094/,
    ],
    [
      'addPeer: an option',
      ({ bridge }) => bridge.addPeer(any({ mac: station(3), vtp: '192.168.77.2' })),
      'ERR_OVERLANE_OPTION',
      /unknown option 'vtp' of addPeer; did you mean 'vtep'/,
    ],
    [
      'addFdb: a stranger',
      ({ bridge, b }) => bridge.addFdb({ mac: station(3), port: b }),
      'ERR_OVERLANE_MISSING',
      /port 'b' is not attached/,
    ],
    [
      "addFdb: a peer's MAC",
      ({ bridge, a }) => bridge.addFdb({ mac: station(2), port: a }),
      'ERR_OVERLANE_EXISTS',
      /is a peer/,
    ],
    [
      'addFdb: zero MAC',
      ({ bridge, a }) => bridge.addFdb({ mac: '00:00:00:00:00:00', port: a }),
      'ERR_OVERLANE_OPTION',
      /nobody's/,
    ],
    ["removeFdb: a peer's", ({ bridge }) => bridge.removeFdb({ mac: station(2) }), 'ERR_OVERLANE_EXISTS', /removePeer/],
    [
      'addNeighbor: no IP',
      ({ bridge }) => bridge.addNeighbor(any({ mac: station(3) })),
      'ERR_OVERLANE_OPTION',
      /'ip' of addNeighbor/,
    ],
    [
      'addNeighbor: a group MAC',
      ({ bridge }) => bridge.addNeighbor({ ip: '10.0.0.3', mac: BROADCAST }),
      'ERR_OVERLANE_OPTION',
      /group address/,
    ],
    [
      'removeNeighbor: a VLAN',
      ({ bridge }) => bridge.removeNeighbor('10.0.0.2', { vlan: 3 }),
      'ERR_OVERLANE_OPTION',
      /no VLAN map/,
    ],
    [
      'addVtep: told',
      ({ bridge }) => bridge.addVtep('192.168.77.3'),
      'ERR_OVERLANE_OPTION',
      /bridge 'br' is told its peers, so addVtep does not apply; use addPeer/,
    ],
    ['removeVtep: told', ({ bridge }) => bridge.removeVtep('192.168.77.2'), 'ERR_OVERLANE_OPTION', /told its peers/],
    ['port.close: attached', ({ a }) => a.close(), 'ERR_OVERLANE_BUSY', /port 'a' is attached to bridge 'br'/],
    ['port.close: an underlay on it', ({ w }) => w.close(), 'ERR_OVERLANE_BUSY', /port 'w' carries underlay 'u'/],
  ])('refuses %s', (_, call, code, words) => {
    const parts = bridged();
    expectRefusal(parts.dataplane, () => call(parts), code, words);
  });

  it('a local bridge has no peers', () => {
    const { dataplane } = site();
    const bridge = dataplane.addBridge({ name: 'local' });
    expectRefusal(
      dataplane,
      () => bridge.addPeer({ mac: station(3), vtep: '192.168.77.2' }),
      'ERR_OVERLANE_OPTION',
      /'local' has no underlay, so nothing is remote/,
    );
    expect(bridge.mtu).toBe(65535);
  });

  it('a full neighbor table takes back the peer and its VTEP', () => {
    const { dataplane, bridge } = bridged();
    let n = 10;
    while (true) {
      try {
        bridge.addNeighbor({ ip: `10.0.1.${n}`, mac: station(n) });
        n++;
      } catch (error) {
        expect((error as { code: string }).code).toBe('ERR_OVERLANE_LIMIT');
        break;
      }
    }
    expectRefusal(
      dataplane,
      () => bridge.addPeer({ mac: station(3), ip: '10.0.0.3', vtep: '192.168.77.3' }),
      'ERR_OVERLANE_LIMIT',
      /neighbor table is full/,
    );
    // The known peer stays where it was.
    expectRefusal(
      dataplane,
      () => bridge.addPeer({ mac: station(2), ip: '10.0.0.9', vtep: '192.168.77.3' }),
      'ERR_OVERLANE_LIMIT',
      /neighbor table is full/,
    );
    expect(bridge.fdb()).toMatchObject([
      { mac: station(1), port: 'a' },
      { mac: station(2), vtep: '192.168.77.2' },
    ]);
    expect(bridge.removePeer({ mac: station(2) })).toBe(true);
    bridge.addPeer({ mac: station(3), ip: '10.0.0.3', vtep: '192.168.77.3' });
  });

  it('a full FDB takes back the attachment', () => {
    const { dataplane, bridge, b } = bridged();
    let refused: string | null = null;
    for (let n = 10; refused === null && n < 1000; n++) {
      try {
        bridge.addPeer({ mac: station(n), vtep: '192.168.77.2' });
      } catch (error) {
        refused = (error as { code: string }).code;
      }
    }
    expect(refused).toBe('ERR_OVERLANE_LIMIT');
    expectRefusal(dataplane, () => bridge.attach(b, { mac: station(5000) }), 'ERR_OVERLANE_LIMIT', /FDB is full/);
    bridge.attach(b);
  });

  it('an IP that moves to another peer does not leave with the first', () => {
    const { bridge } = bridged();
    bridge.addPeer({ mac: station(3), ip: '10.0.0.2', vtep: '192.168.77.3' });
    bridge.removePeer({ mac: station(2) });
    expect(bridge.neighbors()).toMatchObject([{ ip: '10.0.0.2', mac: station(3) }]);
  });
});
