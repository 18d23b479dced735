import { describe, expect, it } from 'vitest';
import type { CellResult } from '../../bench/harness/schedule.js';
import type { Case } from '../../bench/harness/trial.js';
import { misses, type Outcome, toOverheads, toRatios, toRow } from '../../bench/report/outcome.js';
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
  overheads: [],
};

/** 1420 B: 125 ns sealed, 50 not, 100 for the engine; the other engine has another price. */
const engine = { ...place, size: 1420, engine: 'ipsec-mb' };
const overhead = { base: 'cleartext', floor: 'raw ipsec-mb' };
const encrypted = [
  result({ ...engine, overhead: { ...overhead, most: 0.25 } }, [160, 125, 190]),
  result({ ...engine, rival: 'raw ipsec-mb' }, [100, 100, 100]),
  result({ ...engine, engine: 'openssl', rival: 'raw openssl' }, [400]),
  result({ macs: 1024, size: 1420, rival: 'cleartext' }, [50, 25, 60]),
  result({ macs: 1024, size: 64, rival: 'cleartext' }, [20]),
];

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

describe('overhead', () => {
  it('is what a case adds, over its least price, of the same size, MACs and engine', () => {
    const [row, ...more] = toOverheads(encrypted);
    expect(more).toEqual([]);
    expect(row).toMatchObject({ where: '1K MACs, 1420 B, ipsec-mb', added: 110, least: 100, quiet: true, met: true });
    expect(row!.share).toBeCloseTo(0.1);
    expect([row!.min, row!.max]).toEqual([expect.closeTo(0), expect.closeTo(0.3)]);
  });

  it('is missed above its limit, not judged without one, and not there without its rivals', () => {
    const [own, ...others] = encrypted;
    const slow = toOverheads([result(own!.cell.case, [176, 176, 176]), ...others]);
    expect(slow).toMatchObject([{ added: 126, met: false }]);
    expect(misses({ ...outcome, rows: [], ratios: [], overheads: slow })).toEqual([
      'bridge [1K MACs, 1420 B, ipsec-mb] adds 26 % more than raw ipsec-mb, wanted 25 %',
    ]);
    expect(toOverheads([result({ ...engine, overhead }, [500]), ...others])).toMatchObject([{ most: null, met: null }]);
    expect(toOverheads(encrypted.slice(0, 3))).toEqual([]);
    expect(toOverheads([own!, ...others.slice(1)])).toEqual([]);
  });

  it('is not judged when somebody else had the core', () => {
    const disturbed = encrypted.map((each) => ({
      ...each,
      samples: each.samples.map((s) => ({ ...s, cpuShare: 0.9 })),
    }));
    const overheads = toOverheads(disturbed);
    expect(overheads).toMatchObject([{ quiet: false, met: null }]);
    expect(formatReport({ ...outcome, rows: [], overheads }, plain)).toMatch(/;25 %;disturbed$/);
  });

  it('is shown beside the figures, which tell the engine', () => {
    const text = formatReport({ ...outcome, rows: encrypted.map(toRow), overheads: toOverheads(encrypted) }, plain);
    expect(text).toContain('bridge;1K MACs, 1420 B, openssl;raw openssl;400.0');
    expect(text).toContain(
      'bridge;1K MACs, 1420 B, ipsec-mb;110.0;cleartext;100.0;raw ipsec-mb;10 %;0 % to 30 %;25 %;met',
    );
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

  it('draws what is encrypted by itself, an engine a line', () => {
    const rows = [...results.map(toRow), ...encrypted.map((each) => ({ ...toRow(each), trial: 'seal' }))];
    const files = pictures({ ...outcome, rows });
    expect([...files.keys()]).toEqual(['ns-by-size.svg', 'ns-by-macs.svg', 'ns-by-size-encrypted.svg']);
    for (const text of ['seal: ipsec-mb', 'seal: raw openssl', 'seal: cleartext', '>1420<']) {
      expect(files.get('ns-by-size-encrypted.svg')).toContain(text);
      expect(files.get('ns-by-size.svg')).not.toContain(text);
    }
  });

  it('draws nothing of nothing', () => {
    expect(pictures({ ...outcome, rows: [] }).size).toBe(0);
  });
});
