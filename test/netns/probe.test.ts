/** Whether somebody has an address: asked on a veth whose other end is the kernel's, or scapy's. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { probeAddress } from '../../src/netns/probe.js';
import { hasRoot, joinByVeth, NEEDS_ROOT, Netns } from '../live/netns.js';
import { hasScapy, NEEDS_SCAPY } from '../peers/scapy.js';

const OWNER = fileURLToPath(new URL('owner.py', import.meta.url));
const MAC = '02:42:0a:63:00:09';

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error) => (error as { code: string }).code,
  );

it('refuses what cannot be right', async () => {
  const fine = { interface: 'lo', mac: MAC, ip: '10.0.0.1' };
  const wrong = [
    { vlan: 0 },
    { vlan: 4095 },
    { mac: '01:00:00:00:00:00' },
    { ip: '0.0.0.0' },
    { ip: 'ff02::1' },
    { timeoutMs: 0 },
    { probes: 11 },
    { netns: 'c1' },
    { interface: 'a/b' },
  ];
  for (const change of wrong) expect(await codeOf(probeAddress({ ...fine, ...change }))).toBe('ERR_OVERLANE_OPTION');
});

describe.skipIf(!hasRoot)(`probing for an address ${NEEDS_ROOT}`, () => {
  it('finds a kernel that has it, nobody who has not, and says what is missing', async () => {
    const [near, far] = [new Netns('near'), new Netns('far')];
    joinByVeth([near, '10.98.0.1/24'], [far, '10.99.0.1/24']);
    far.ip('address', 'add', 'fd00::1/64', 'dev', 'wire', 'nodad');
    const { address: mac } = JSON.parse(far.ip('-j', 'link', 'show', 'wire'))[0] as { address: string };
    const on = { netns: near.path, interface: 'wire', mac: MAC };
    expect(await probeAddress({ ...on, ip: '10.99.0.1' })).toEqual({ mac });
    expect(await probeAddress({ ...on, ip: 'fd00::1' })).toEqual({ mac });
    const begun = performance.now();
    expect(
      await Promise.all(['10.99.0.2', 'fd00::2'].map((ip) => probeAddress({ ...on, ip, timeoutMs: 100 }))),
    ).toEqual([null, null]);
    expect(performance.now() - begun).toBeGreaterThan(95);
    expect(performance.now() - begun).toBeLessThan(2000);
    // Neither said that it has the address, so nobody has learned anything.
    expect(far.ip('neigh')).not.toContain(MAC);
    expect(await codeOf(probeAddress({ ...on, ip: '10.0.0.1', interface: 'eth7' }))).toBe('ERR_OVERLANE_MISSING');
    expect(await codeOf(probeAddress({ ...on, ip: '10.0.0.1', netns: '/run/netns/none' }))).toBe(
      'ERR_OVERLANE_MISSING',
    );
    near.ip('link', 'set', 'wire', 'down');
    expect(await codeOf(probeAddress({ ...on, ip: '10.99.0.1' }))).toBe('ERR_OVERLANE_SYSTEM');
  });

  it('of two that want it at the same time at most one gets it', async () => {
    const [near, far] = [new Netns('near'), new Netns('far')];
    joinByVeth([near, '10.98.0.1/24'], [far, '10.99.0.1/24']);
    const other = '02:42:0a:63:00:0a';
    for (const ip of ['10.99.0.5', 'fd00::5']) {
      const both = { interface: 'wire', ip, timeoutMs: 600 };
      const [one, two] = await Promise.all([
        probeAddress({ ...both, netns: near.path, mac: MAC }),
        probeAddress({ ...both, netns: far.path, mac: other }),
      ]);
      // Who is told first asks no more, so the other may hear nothing.
      expect([one?.mac ?? other, two?.mac ?? MAC]).toEqual([other, MAC]);
      expect([one, two]).not.toEqual([null, null]);
    }
  });

  it.skipIf(!hasScapy)(`in a VLAN, and only there ${NEEDS_SCAPY}`, async () => {
    const [near, far] = [new Netns('near'), new Netns('far')];
    joinByVeth([near, '10.98.0.1/24'], [far, '10.97.0.1/24']);
    const owner = '02:42:0a:63:00:07';
    const program = far.start('/usr/bin/python3', OWNER, 'wire', owner, '100', '10.99.0.7', 'fd00::7');
    await program.until(/ready\n/, 20_000);
    const on = { netns: near.path, interface: 'wire', mac: MAC };
    for (const ip of ['10.99.0.7', 'fd00::7']) {
      expect(await probeAddress({ ...on, ip, vlan: 100, timeoutMs: 3000 })).toEqual({ mac: owner });
      const others = [{ vlan: 101 }, {}].map((vlan) => probeAddress({ ...on, ...vlan, ip, timeoutMs: 200, probes: 1 }));
      expect(await Promise.all(others)).toEqual([null, null]);
    }
    expect(program.results).toContain(`arp 100 0.0.0.0 ${MAC} 10.99.0.7`);
    expect(program.results).toContain('nd 100 ff02::1:ff00:7 33:33:ff:00:00:07 fd00::7 255');
    await program.stop();
  });
});
