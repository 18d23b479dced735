/** A dataplane for one test: closed after it, and with every packet accounted for. */
import { afterEach, expect } from 'vitest';
import {
  type Burst,
  Dataplane,
  type DataplaneOptions,
  type ErrorCode,
  frames,
  type OverlaneError,
  type Port,
} from '../../src/index.js';

const open: Dataplane[] = [];

afterEach(async () => {
  for (const dataplane of open.splice(0)) {
    // A test may have closed it.
    if (!isClosed(dataplane)) expectBalance(dataplane);
    await dataplane.close();
  }
});

function isClosed(dataplane: Dataplane): boolean {
  try {
    dataplane.now();
    return false;
  } catch {
    return true;
  }
}

/** received + originated + cloned + segmented = transmitted + consumed + coalesced + dropped. */
export function expectBalance(dataplane: Dataplane): void {
  const { received, originated, cloned, segmented, transmitted, consumed, coalesced, dropped, balanced } =
    dataplane.counters();
  expect(transmitted + consumed + coalesced + dropped).toBe(received + originated + cloned + segmented);
  expect(balanced).toBe(true);
}

/** Takes care of a dataplane that something else made. */
export function watch(dataplane: Dataplane): Dataplane {
  open.push(dataplane);
  return dataplane;
}

export function lab(options: Partial<DataplaneOptions> = {}): Dataplane {
  return watch(new Dataplane({ mode: 'manual', ...options }));
}

/** Memory ports with these names. */
export function memoryPorts(dataplane: Dataplane, ...names: string[]): Port[] {
  return names.map((name) => dataplane.addPort({ type: 'memory', name }));
}

/** The frames that a port transmitted, as hex, so that a difference is readable. */
export function drained(port: Port): string[] {
  return hexFrames(port.drain());
}

export function hexFrames(burst: Burst): string[] {
  return Array.from(frames(burst), (frame) => Buffer.from(frame).toString('hex'));
}

export function hex(frame: Uint8Array): string {
  return Buffer.from(frame).toString('hex');
}

/** Injects frames on one port, runs, and says what came out of which port. */
export function send(dataplane: Dataplane, from: Port, list: Uint8Array[], now?: bigint): Record<string, string[]> {
  from.inject(list);
  dataplane.run(now === undefined ? {} : { now });
  const out: Record<string, string[]> = {};
  for (const port of dataplane.ports.values()) {
    if (port.type !== 'memory') continue;
    const got = drained(port);
    if (got.length > 0) out[port.name] = got;
  }
  return out;
}

/** The error that a call throws, which has to be one of ours. */
export function failure(call: () => unknown): { code: ErrorCode; message: string } {
  try {
    call();
  } catch (error) {
    const { name, code, message } = error as OverlaneError;
    expect(name, `${(error as Error).stack}`).toBe('OverlaneError');
    return { code, message };
  }
  throw new Error('the call should have thrown');
}

export function drops(dataplane: Dataplane): Record<string, number> {
  return Object.fromEntries(Object.entries(dataplane.counters().drops).map(([name, count]) => [name, Number(count)]));
}

export function total(dataplane: Dataplane, name: string): number {
  const value = dataplane.counters().total[name];
  if (value === undefined) throw new Error(`there is no counter ${name}`);
  return Number(value);
}
