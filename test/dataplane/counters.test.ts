/** Counters: one row a port, names and sentences from the native side, a sum that holds. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isBalanced } from '../../src/dataplane/counters.js';
import { accounting, describeCounters } from '../../src/index.js';
import { BROADCAST, from } from './frames.js';
import { failure, lab, memoryPorts, send } from './lab.js';

describe('counters', () => {
  it('are those of counters.def, each with a kind and a sentence', () => {
    const source = readFileSync(new URL('../../native/core/counters.def', import.meta.url), 'utf8');
    const lines = [...source.matchAll(/^COUNTER\((\w+), (\w+), "(.*)"\)$/gm)].map(([, kind, name, about]) => ({
      name,
      kind,
      about,
    }));
    expect(lines.length).toBeGreaterThan(40);
    expect(describeCounters()).toEqual(lines);
    for (const { name, kind, about } of describeCounters()) {
      expect(kind === 'drop', name).toBe(name.startsWith('drop_'));
      expect(about.length, name).toBeGreaterThan(10);
    }
  });

  it('count packets and bytes where they come in and go out', () => {
    const dataplane = lab();
    const [a, b, c] = memoryPorts(dataplane, 'a', 'b', 'c');
    dataplane.addBridge().attach(a!).attach(b!).attach(c!);
    send(dataplane, a!, [from(1, 2), from(1, BROADCAST), from(1, 1)]);
    const { ports, total, drops, ...sum } = dataplane.counters();
    expect(ports['a']).toMatchObject({
      rx_packets: 3n,
      rx_bytes: 180n,
      tx_packets: 0n,
      cloned: 2n,
      drop_same_port: 1n,
      flooded: 2n,
    });
    for (const name of ['b', 'c'])
      expect(ports[name]).toMatchObject({ rx_packets: 0n, tx_packets: 2n, tx_bytes: 120n });
    expect(total).toMatchObject({ rx_packets: 3n, tx_packets: 4n, tx_bytes: 240n });
    expect(drops).toEqual({ drop_same_port: 1n });
    expect(sum).toEqual({
      received: 3n,
      originated: 0n,
      cloned: 2n,
      segmented: 0n,
      transmitted: 4n,
      consumed: 0n,
      coalesced: 0n,
      waiting: 0n,
      dropped: 1n,
      balanced: true,
    });
    expect(Object.keys(total)).toEqual(describeCounters().map(({ name }) => name));
  });

  it('accounting adds up any set of counters', () => {
    const zero = Object.fromEntries(describeCounters().map(({ name }) => [name, 0n]));
    const values = {
      ...zero,
      rx_packets: 5n,
      tx_packets: 1n,
      originated: 1n,
      cloned: 2n,
      segmented: 4n,
      consumed: 3n,
      coalesced: 2n,
      waiting: 2n,
      drop_mtu: 2n,
      drop_isolated: 1n,
      miss: 9n,
    };
    const sum = accounting(values as never);
    expect(sum).toEqual({
      received: 5n,
      originated: 1n,
      cloned: 2n,
      segmented: 4n,
      transmitted: 1n,
      consumed: 3n,
      coalesced: 2n,
      waiting: 2n,
      dropped: 3n,
    });
    // 5 + 1 + 2 + 4 came, 1 + 3 + 2 + 2 + 3 went.
    expect(isBalanced(sum)).toBe(false);
    expect(isBalanced({ ...sum, waiting: 3n })).toBe(true);
    expect(isBalanced({ ...sum, originated: 0n })).toBe(true);
  });

  it('a packet that no buffer is free for, or that the queue refuses, is counted', () => {
    const dataplane = lab();
    const a = dataplane.addPort({ type: 'memory', name: 'a' });
    const b = dataplane.addPort({ type: 'memory', name: 'b', queueBytes: 65536 });
    dataplane.addBridge().attach(a).attach(b);
    a.inject(Array.from({ length: 2000 }, () => from(1, 2)));
    dataplane.run();
    const kept = Math.floor(65536 / 60);
    expect(b.drain().count).toBe(kept);
    expect(dataplane.counters().drops).toEqual({ drop_port_full: BigInt(2000 - kept) });
  });

  it('a burst flooded to many ports needs a buffer for each copy, and says when there is none', () => {
    const dataplane = lab({ burst: 8, packets: { small: 16, large: 8 } });
    const ports = memoryPorts(dataplane, ...Array.from({ length: 40 }, (_, i) => `p${i}`));
    const bridge = dataplane.addBridge();
    for (const port of ports) bridge.attach(port);
    ports[0]!.inject(Array.from({ length: 200 }, (_, i) => from(1, BROADCAST, i)));
    dataplane.run();
    const { transmitted, drops, received, cloned } = dataplane.counters();
    expect(received).toBe(200n);
    expect(cloned).toBe(200n * 38n);
    expect(transmitted + (drops['drop_pool_empty'] ?? 0n)).toBe(200n * 39n);
    expect(transmitted).toBeGreaterThan(200n);
  });

  it('inject is all or nothing', () => {
    const dataplane = lab();
    const a = dataplane.addPort({ type: 'memory', name: 'a', queueBytes: 65536 });
    const many = Array.from({ length: 1200 }, () => from(1, 2));
    const { code, message } = failure(() => a.inject(many));
    expect([code, message]).toEqual([
      'ERR_OVERLANE_QUEUE_FULL',
      expect.stringContaining("port 'a' has no room for 1200 more frames; call run() first"),
    ]);
    expect(dataplane.run()).toBe(0);
    a.inject(many.slice(0, 1000));
    expect(failure(() => a.inject(many.slice(0, 1000))).code).toBe('ERR_OVERLANE_QUEUE_FULL');
    expect(dataplane.run()).toBe(1000);
    a.inject(many.slice(0, 1000));
  });
});
