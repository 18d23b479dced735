/** Wrong options of addBridge. */
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/index.js';
import { station } from './frames.js';
import { failure } from './lab.js';
import { any, expectRefusal, type Options, site } from './refusal.js';

describe('addBridge', () => {
  it.each<[string, Options | number, ErrorCode, RegExp]>([
    ['a number', 5, 'ERR_OVERLANE_OPTION', /addBridge takes an object of options, not 5/],
    [
      'proxyARP',
      { proxyARP: true },
      'ERR_OVERLANE_OPTION',
      /unknown option 'proxyARP' of addBridge; did you mean 'proxyArp'\?/,
    ],
    ['VNI 0', { vni: 0 }, 'ERR_OVERLANE_OPTION', /'vni' of addBridge must be a whole number from 1 to 16777215, not 0/],
    [
      'a VNI over 24 bits',
      { vni: 2 ** 24 },
      'ERR_OVERLANE_OPTION',
      /'vni' of addBridge must be a whole number from 1 to 16777215, not 16777216/,
    ],
    ['a VNI as text', { vni: '7' }, 'ERR_OVERLANE_OPTION', /'vni'.*not "7"/],
    [
      'a VNI without underlay',
      { vni: 7, underlay: undefined },
      'ERR_OVERLANE_OPTION',
      /a VNI, but no 'underlay' to send it over/,
    ],
    ['an underlay without VNI', { vni: undefined }, 'ERR_OVERLANE_OPTION', /an underlay, but no VNI/],
    ['a foreign underlay', { underlay: {} }, 'ERR_OVERLANE_OPTION', /must be an open underlay of this dataplane/],
    [
      'an underlay name',
      { underlay: 'u' },
      'ERR_OVERLANE_OPTION',
      /must be an open underlay of this dataplane, not "u"/,
    ],
    [
      'VLAN 0',
      { vlans: { 0: 5 } },
      'ERR_OVERLANE_OPTION',
      /'vlans' of addBridge has the key '0'; a VLAN is a whole number from 1 to 4094/,
    ],
    ['VLAN 4095', { vlans: { 4095: 5 } }, 'ERR_OVERLANE_OPTION', /the key '4095'/],
    ['VLAN 1.5', { vlans: { 1.5: 5 } }, 'ERR_OVERLANE_OPTION', /the key '1.5'/],
    ['VLAN x', { vlans: { x: 5 } }, 'ERR_OVERLANE_OPTION', /the key 'x'/],
    [
      'a VLAN of a wrong VNI',
      { vlans: { 100: 2 ** 24 } },
      'ERR_OVERLANE_OPTION',
      /'vlans\[100\]' of addBridge must be a whole number from 1 to 16777215/,
    ],
    ['an empty map', { vlans: {} }, 'ERR_OVERLANE_OPTION', /'vlans' of addBridge is empty/],
    ['a list of VLANs', { vlans: [100] }, 'ERR_OVERLANE_OPTION', /'vlans'/],
    [
      'one VNI for two VLANs',
      { vlans: { 100: 5, 200: 5 } },
      'ERR_OVERLANE_OPTION',
      /VNI 5 of addBridge is given to VLAN 100 and to VLAN 200; each needs its own/,
    ],
    [
      'one VNI for a VLAN and untagged',
      { vni: 5, vlans: { 100: 5 } },
      'ERR_OVERLANE_OPTION',
      /untagged frames and to VLAN 100/,
    ],
    [
      'a policy',
      { unknownUnicast: 'deny' },
      'ERR_OVERLANE_OPTION',
      /'unknownUnicast' of addBridge must be 'flood' or 'drop', not "deny"/,
    ],
    ['broadcast true', { broadcast: true }, 'ERR_OVERLANE_OPTION', /'broadcast'.*not true/],
    ['multicast', { multicast: 1 }, 'ERR_OVERLANE_OPTION', /'multicast'/],
    ['miss', { miss: '' }, 'ERR_OVERLANE_OPTION', /'miss'/],
    [
      'negative ageing',
      { ageing: -1 },
      'ERR_OVERLANE_OPTION',
      /'ageing' of addBridge must be seconds from 0 to 1000000, not -1/,
    ],
    ['endless ageing', { ageing: Number.POSITIVE_INFINITY }, 'ERR_OVERLANE_OPTION', /'ageing'.*not Infinity/],
    ['learning as text', { learning: 'no' }, 'ERR_OVERLANE_OPTION', /'learning'/],
    ['arpSnooping', { arpSnooping: 1 }, 'ERR_OVERLANE_OPTION', /'arpSnooping'/],
    ['proxyArp', { proxyArp: null }, 'ERR_OVERLANE_OPTION', /'proxyArp' of addBridge must be true or false, not null/],
    [
      'a limit over the table',
      { fdbLimit: 65 },
      'ERR_OVERLANE_OPTION',
      /'fdbLimit' of addBridge is 65, more than the dataplane's fdbEntries, 64/,
    ],
    [
      'a port limit over the bridge limit',
      { fdbLimit: 8, portFdbLimit: 9 },
      'ERR_OVERLANE_OPTION',
      /'portFdbLimit' of addBridge is 9, more than the bridge's fdbLimit, 8/,
    ],
    ['limit 0', { fdbLimit: 0 }, 'ERR_OVERLANE_OPTION', /'fdbLimit'/],
    [
      'VTEPs as text',
      { vteps: '192.168.77.2' },
      'ERR_OVERLANE_OPTION',
      /'vteps' of addBridge must be a list of IP addresses/,
    ],
    [
      'a wrong VTEP',
      { vteps: ['192.168.77.2', 'x'] },
      'ERR_OVERLANE_OPTION',
      /'vteps\[1\]' of addBridge: "x" is not an IP address/,
    ],
    ['a multicast VTEP', { vteps: ['239.0.0.1'] }, 'ERR_OVERLANE_OPTION', /multicast/],
    [
      'a VTEP of the other family',
      { vteps: ['2001:db8::2'] },
      'ERR_OVERLANE_OPTION',
      /2001:db8::2 is IPv6, but underlay 'u' is IPv4/,
    ],
    ['itself as VTEP', { vteps: ['192.168.77.1'] }, 'ERR_OVERLANE_OPTION', /192.168.77.1 is this end of underlay 'u'/],
    [
      'VTEPs without underlay',
      { vteps: [], vni: undefined, underlay: undefined },
      'ERR_OVERLANE_OPTION',
      /'vteps' of addBridge needs an 'underlay'/,
    ],
    ['a name taken', { name: 'br' }, 'ERR_OVERLANE_EXISTS', /there is a bridge 'br' already/],
    ['a VNI taken', { vni: 77 }, 'ERR_OVERLANE_EXISTS', /VNI 77 of underlay 'u' belongs to bridge 'br'/],
    ['a VNI taken by a VLAN', { vlans: { 3: 77 } }, 'ERR_OVERLANE_EXISTS', /VNI 77/],
  ])('refuses %s', (_, options, code, words) => {
    const { dataplane, underlay } = site();
    dataplane.addBridge({ name: 'br', vni: 77, underlay });
    const all = typeof options === 'number' ? options : { vni: 7, underlay, ...options };
    expectRefusal(dataplane, () => dataplane.addBridge(any(all)), code, words);
  });

  it('the same VNI may be on two underlays, and free again after close', () => {
    const { dataplane, underlay, w } = site();
    const other = dataplane.addUnderlay({ type: 'frame', port: w, mac: station(8), local: '192.168.77.9' });
    const one = dataplane.addBridge({ vni: 7, underlay });
    dataplane.addBridge({ vni: 7, underlay: other });
    expect(failure(() => underlay.close()).message).toContain(
      "underlay 'u' carries bridge 'bridge0'; close the bridge first",
    );
    one.close();
    expect(failure(() => one.addPeer({ mac: station(1), vtep: '192.168.77.2' }))).toEqual({
      code: 'ERR_OVERLANE_CLOSED',
      message: "bridge 'bridge0' is closed; add it again",
    });
    dataplane.addBridge({ vni: 7, underlay }).close();
    underlay.close();
    expect(failure(() => dataplane.addBridge({ vni: 7, underlay })).message).toContain(
      "must be an open underlay of this dataplane, not 'u'",
    );
    expect(failure(() => underlay.addNeighbor({ ip: '192.168.77.2', mac: station(1) })).code).toBe(
      'ERR_OVERLANE_CLOSED',
    );
  });
});
