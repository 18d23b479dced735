/** Captures of ports in manual mode: what the listener gets, and when. */
import { describe, expect, it } from 'vitest';
import { type CaptureOptions, Dataplane, frames, type PortBurst } from '../../src/index.js';
import { from, station } from './frames.js';
import { expectBalance, failure, hex, lab, memoryPorts, total } from './lab.js';

function site() {
  const dataplane = lab();
  const [a, b] = memoryPorts(dataplane, 'a', 'b');
  const bridge = dataplane.addBridge();
  bridge.attach(a!);
  bridge.attach(b!);
  return { dataplane, bridge, a: a!, b: b! };
}

/** Time, direction and bytes of each packet. */
function rows(bursts: PortBurst[]): [bigint, number, string][] {
  return bursts.flatMap((burst) =>
    Array.from(frames(burst), (frame, i): [bigint, number, string] => [
      burst.timestamps[i]!,
      burst.directions[i]!,
      hex(frame),
    ]),
  );
}

describe('port.capture()', () => {
  it('gives what the port received and transmitted, at the end of run()', () => {
    const { dataplane, a, b } = site();
    const got: PortBurst[] = [];
    const capture = a.capture((burst) => got.push(burst));
    const [ask, answer, own] = [from(1, 2, 7), from(2, 1, 8), from(2, 2, 9)];
    a.inject([ask]);
    b.inject([answer, own]);
    expect(got).toEqual([]);
    dataplane.run({ now: 1000n });
    // The bridge did not know 2 when the first came, nor 1 before it.
    expect(rows(got)).toEqual([
      [1000n, 1, hex(ask)],
      [1000n, 2, hex(answer)],
    ]);
    expect([got[0]!.wireLengths, got[0]!.lostBefore]).toEqual([got[0]!.lengths, new Uint32Array(2)]);
    dataplane.run({ now: 2000n });
    expect([got.length, capture.lost]).toEqual([1, 0n]);
    expectBalance(dataplane);
  });

  it('cuts packets to snaplen, and says how long they were', () => {
    const { dataplane, a } = site();
    const got: PortBurst[] = [];
    a.capture((burst) => got.push(burst), { snaplen: 14 });
    a.inject([from(1, 2, 7)]);
    dataplane.run();
    expect([got[0]!.lengths[0], got[0]!.wireLengths[0]]).toEqual([14, 60]);
    expect(rows(got)[0]![2]).toBe(hex(from(1, 2, 7).subarray(0, 14)));
  });

  it('says of what found no room how much it was, and where; no packet is lost', async () => {
    const { dataplane, a, b } = site();
    const got: PortBurst[] = [];
    const capture = a.capture((burst) => got.push(burst), { bufferBytes: 1 << 18 });
    const list = Array.from({ length: 10_000 }, (_, i) => from(1, 2, i));
    a.inject(list);
    dataplane.run();
    const copied = got.reduce((sum, { count }) => sum + count, 0);
    expect(copied).toBeGreaterThan(1000);
    expect(capture.lost).toBe(10_000n - BigInt(copied));
    expect(total(dataplane, 'capture_lost')).toBe(10_000 - copied);
    expect(b.drain().count).toBe(10_000);
    got.length = 0;
    a.inject([from(1, 2)]);
    dataplane.run();
    expect(got[0]!.lostBefore[0]).toBe(10_000 - copied);
    const { lost } = capture;
    capture.close();
    capture.close();
    expect([capture.closed, capture.lost]).toEqual([true, lost]);
    await capture.ended;
  });

  it('takes four captures of a port, each with its own snaplen, and no fifth before one is closed', () => {
    const { dataplane, a, b } = site();
    const lengths: number[][] = [[], [], [], []];
    const captures = lengths.map((list, i) => a.capture((burst) => list.push(...burst.lengths), { snaplen: 10 + i }));
    expect(failure(() => a.capture(() => {}))).toEqual({
      code: 'ERR_OVERLANE_LIMIT',
      message: "port 'a' has 4 captures already; close one of them",
    });
    b.capture(() => {}).close();
    a.inject([from(1, 2)]);
    dataplane.run();
    expect(lengths).toEqual([[10], [11], [12], [13]]);
    captures[1]!.close();
    a.capture((burst) => lengths[1]!.push(...burst.lengths));
    a.inject([from(1, 2)]);
    dataplane.run();
    expect(lengths).toEqual([
      [10, 10],
      [11, 60],
      [12, 12],
      [13, 13],
    ]);
  });

  it('goes on to the next burst and listener when one throws, and run() throws the same', () => {
    const { dataplane, a } = site();
    let calls = 0;
    a.capture(() => {
      throw new Error(`call ${++calls}`);
    });
    let other = 0;
    a.capture((burst) => {
      other += burst.count;
    });
    a.inject(Array.from({ length: 9000 }, () => from(1, 2)));
    expect(() => dataplane.run()).toThrow('call 1');
    expect([calls, other]).toEqual([2, 9000]);
  });

  it('ends with its port or dataplane, and the listener gets the rest before', async () => {
    const { dataplane, bridge, a, b } = site();
    const seen: string[] = [];
    const open = (port: typeof a, name: string) => port.capture(({ count }) => seen.push(`${name} ${count}`));
    const [ofA, ofB] = [open(a, 'a'), open(b, 'b')];
    const nested = a.capture(() => nested.close());
    a.inject([from(1, 2)]);
    dataplane.run();
    expect(nested.closed).toBe(true);
    bridge.detach(a);
    a.close();
    await ofA.ended;
    expect([ofA.closed, ofB.closed, seen]).toEqual([true, false, ['a 1', 'b 1']]);
    expect(failure(() => a.capture(() => {})).code).toBe('ERR_OVERLANE_CLOSED');
    // The row of the native tables is another port's now.
    const [c] = memoryPorts(dataplane, 'c');
    bridge.attach(c!);
    b.inject([from(2, station(1))]);
    dataplane.run();
    await dataplane.close();
    await ofB.ended;
    expect(seen).toEqual(['a 1', 'b 1', 'b 1']);
    expect(ofB.lost).toBe(0n);
    ofB.close();
  });

  it('may be closed, with everything else, by its own listener', async () => {
    const { dataplane, a } = site();
    const counts: number[] = [];
    const capture = a.capture(({ count }) => {
      counts.push(count);
      void dataplane.close();
    });
    a.capture(() => {});
    a.inject(Array.from({ length: 9000 }, () => from(1, 2)));
    dataplane.run();
    await capture.ended;
    // What was left, before it was closed.
    expect(counts).toEqual([8192, 808]);
  });

  it.each<[CaptureOptions | number, string]>([
    [{ snaplen: 0 }, "option 'snaplen' of capture must be a whole number from 1 to 262144 bytes, not 0"],
    [{ snaplen: 1.5 }, "option 'snaplen' of capture must be a whole number from 1 to 262144 bytes, not 1.5"],
    [
      { bufferBytes: 1000 },
      "option 'bufferBytes' of capture must be a whole number from 262144 to 268435456 bytes, not 1000",
    ],
    [{ snapLen: 1 } as never, "unknown option 'snapLen' of capture; did you mean 'snaplen'?"],
    [5, 'capture takes an object of options, not 5'],
  ])('refuses the options %j', (options, message) => {
    const { a } = site();
    expect(failure(() => a.capture(() => {}, options as never))).toEqual({ code: 'ERR_OVERLANE_OPTION', message });
  });

  it('refuses what is no listener', () => {
    const { a } = site();
    expect(failure(() => a.capture('x' as never)).message).toBe(
      'capture takes a function that is given bursts, not "x"',
    );
  });

  it('does not keep a process alive, nor a dataplane that is not running', async () => {
    const dataplane = new Dataplane();
    const capture = dataplane.addPort({ type: 'memory' }).capture(() => {});
    await dataplane.close();
    await capture.ended;
  });
});
