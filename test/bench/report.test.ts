import { describe, expect, it } from 'vitest';
import type { CellResult } from '../../bench/harness/schedule.js';
import type { Case } from '../../bench/harness/trial.js';
import { misses, type Outcome, toRatios, toRow } from '../../bench/report/outcome.js';
import { pictures } from '../../bench/report/svg.js';
import { formatReport, type Terminal } from '../../bench/report/table.js';

function result(c: Case, ns: number[], more: Partial<CellResult> = {}): CellResult {
  const cell = { trial: 'bridge', case: c, run: () => Promise.reject(new Error('not run here')) };
  return { cell, samples: ns.map((each) => ({ packets: 1, ns: each, cpuShare: 1 })), ...more };
}

const place = { macs: 1024, size: 64 };
const results = [
  result({ ...place, budget: 14 }, [12, 10, 11]),
  result({ macs: 1048576, size: 64, budget: 30 }, [40, 31, 50]),
  result({ macs: 1024, size: 1400 }, [50, 50, 50]),
  result({ ...place, rival: 'OVS', wanted: 4 }, [66, 60, 55]),
  result({ ...place, rival: 'macswap', wanted: 0.5 }, [5, 5, 5]),
  result({ ...place, rival: 'io' }, [], { absent: 'not installed (apt-get install dpdk)' }),
  result({ macs: 4096, size: 64 }, [9], { failure: 'frames were dropped' }),
];

const outcome: Outcome = {
  format: 1,
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
  pinning: 'pinned to core 1',
  memory: null,
  rounds: 3,
  seconds: 1,
  interrupted: false,
  rows: results.map(toRow),
  ratios: toRatios(results),
};

const plain: Terminal = {
  formatTable: (columns, rows) =>
    [columns.map((c) => (typeof c === 'string' ? c : c.title)), ...rows].map((row) => row.join(';')).join('\n'),
  paint: (_, text) => text,
};

describe('outcome', () => {
  it('judges the median against the budget', () => {
    expect(outcome.rows.map((row) => row.budgetMet)).toEqual([true, false, null, null, null, null, null]);
    expect(outcome.rows[1]).toMatchObject({
      name: 'bridge [1M MACs, 64 B] overlane',
      summary: { median: 40, min: 31, max: 50 },
    });
  });

  it('compares rivals of the same place only, by packet rate, round by round for the spread', () => {
    expect(outcome.ratios).toEqual([
      { trial: 'bridge', where: '1K MACs, 64 B', rival: 'OVS', ratio: 60 / 11, min: 5, max: 6, wanted: 4, met: true },
      expect.objectContaining({ rival: 'macswap', ratio: 5 / 11, wanted: 0.5, met: false }),
    ]);
  });

  it('judges no ratio where the peers were handicapped', () => {
    expect(toRatios(results, false).map((ratio) => ratio.met)).toEqual([null, null]);
  });

  it('lists what was missed', () => {
    expect(misses(outcome)).toEqual([
      'bridge [1M MACs, 64 B] overlane: 40.0 ns, budget 30 ns',
      'bridge [1K MACs, 64 B] against macswap: 0.45 x, wanted 0.5 x',
    ]);
  });
});

describe('report', () => {
  it('shows figures, budgets, what is absent and what failed, and names the machine', () => {
    const text = formatReport(outcome, plain);
    expect(text).toContain('Test CPU, 2 cores (virtual machine), 8 GiB, Linux 6, Node v20');
    expect(text).toContain('bridge;1K MACs, 64 B;overlane;11.0;10.0-12.0;90.9;14;met');
    expect(text).toContain('bridge;1M MACs, 64 B;overlane;40.0;31.0-50.0;25.0;30;missed');
    expect(text).toContain('absent: not installed (apt-get install dpdk)');
    expect(text).toContain('bridge;4K MACs, 64 B;overlane;9.0;9.0-9.0;111.1;;then failed: frames were dropped');
    expect(text).toContain('bridge;1K MACs, 64 B;OVS;5.45 x;5.00-6.00;4 x;met');
  });

  it('says when somebody else had the core, and when it was interrupted', () => {
    const row = toRow(result(place, [10]));
    row.summary!.cpuShare = 0.5;
    expect(formatReport({ ...outcome, rows: [row], interrupted: true }, plain)).toMatch(
      /disturbed \(had 50 % of its core\)[\s\S]*interrupted/,
    );
  });

  it('draws both pictures, with every series in the legend and logarithmic labels', () => {
    const files = pictures(outcome);
    expect([...files.keys()]).toEqual(['ns-by-size.svg', 'ns-by-macs.svg']);
    for (const svg of files.values()) {
      expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\s*$/);
      for (const text of ['bridge', 'bridge: OVS', 'Test CPU', '>10<', '>100<']) expect(svg).toContain(text);
    }
    expect(files.get('ns-by-size.svg')).toContain('>1400<');
    expect(files.get('ns-by-macs.svg')).toContain('>1M<');
  });

  it('draws nothing of nothing', () => {
    expect(pictures({ ...outcome, rows: [] }).size).toBe(0);
  });
});
