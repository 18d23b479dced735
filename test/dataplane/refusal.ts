/** Calls that must be refused, and change nothing. */
import { expect } from 'vitest';
import type { Dataplane, ErrorCode } from '../../src/index.js';
import { station } from './frames.js';
import { failure, lab, memoryPorts } from './lab.js';

export type Options = Record<string, unknown>;

/** Wrong on purpose, so not typed. */
export const any = (value: unknown) => value as never;

/** A dataplane with ports a, b and w, and the underlay u on w. */
export function site() {
  // The map takes exactly as many entries as it is told.
  const dataplane = lab({ fdb: 'map', fdbEntries: 64, neighborEntries: 8 });
  const [a, b, w] = memoryPorts(dataplane, 'a', 'b', 'w');
  const underlay = dataplane.addUnderlay({
    type: 'frame',
    name: 'u',
    port: w!,
    mac: station(9),
    local: '192.168.77.1',
  });
  return { dataplane, a: a!, b: b!, w: w!, underlay };
}

/** What can be seen of a dataplane's configuration. */
function picture(dataplane: Dataplane): unknown {
  return {
    ports: [...dataplane.ports.values()].map(({ name, bridges }) => [name, bridges.map((bridge) => bridge.name)]),
    underlays: [...dataplane.underlays.keys()],
    bridges: [...dataplane.bridges.values()].map((bridge) => [
      bridge.name,
      bridge.vnis,
      bridge.fdb(),
      bridge.neighbors(),
    ]),
  };
}

export function expectRefusal(dataplane: Dataplane, call: () => unknown, code: ErrorCode, words: RegExp): void {
  const before = picture(dataplane);
  const error = failure(call);
  expect(error.message).toMatch(words);
  expect(error.code).toBe(code);
  expect(picture(dataplane)).toEqual(before);
}
