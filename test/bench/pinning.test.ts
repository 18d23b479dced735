import { describe, expect, it } from 'vitest';
import { choosePinning, parseCpuList, pinned } from '../../bench/harness/pinning.js';

describe('pinning', () => {
  it('reads the lists of the kernel', () => {
    expect(parseCpuList('0-2,5\n')).toEqual([0, 1, 2, 5]);
    expect(parseCpuList('3')).toEqual([3]);
    expect(parseCpuList('')).toEqual([]);
    expect(parseCpuList('\n')).toEqual([]);
  });

  it('takes the last core, and leaves another to the rest', () => {
    expect(choosePinning([0, 1], [], true)).toMatchObject({ cpu: 1, mainCpu: 0 });
    expect(choosePinning([4, 5, 6], [], true)).toMatchObject({ cpu: 6, mainCpu: 4 });
  });

  it('prefers an isolated core that it may use', () => {
    expect(choosePinning([0, 1, 2, 3], [1, 9], true)).toMatchObject({ cpu: 1, mainCpu: 0 });
    expect(choosePinning([0, 1], [9], true).about).toBe('pinned to core 1 with taskset');
  });

  it('says when it cannot', () => {
    expect(choosePinning([0], [], true)).toMatchObject({ cpu: null, about: expect.stringContaining('one core only') });
    expect(choosePinning([0, 1], [], false)).toMatchObject({
      cpu: null,
      about: expect.stringContaining('apt-get install'),
    });
  });

  it('puts taskset before the command only where it pins', () => {
    expect(pinned(choosePinning([0, 1], [], true), 'node', ['x'])).toEqual([
      'taskset',
      ['--cpu-list', '1', 'node', 'x'],
    ]);
    expect(pinned(choosePinning([0], [], true), 'node', ['x'])).toEqual(['node', ['x']]);
  });
});
