/** The figures as pictures: ns a packet by frame size, and by MAC count; both axes logarithmic. */
import * as echarts from 'echarts';
import { short } from '../harness/trial.js';
import type { Outcome, Row } from './outcome.js';

const WIDTH = 900;
const HEIGHT = 520;

interface Axis {
  title: string;
  name: string;
  /** Value of a row on the horizontal axis; null: not in this picture. */
  at(row: Row): number | null;
  label(value: number): string;
}

const BY_SIZE: Axis = {
  title: 'ns a packet by frame size (1K MACs)',
  name: 'bytes of a frame',
  at: (row) => (row.macs === null || row.macs === 1024 ? row.size : null),
  label: String,
};

const ENCRYPTED: Axis = { ...BY_SIZE, title: 'ns a packet by frame size, encrypted (1K MACs)' };

const BY_MACS: Axis = {
  title: 'ns a packet by MAC addresses (64 B frames)',
  name: 'MAC addresses',
  at: (row) => (row.size === null || row.size === 64 ? row.macs : null),
  label: short,
};

interface Series {
  name: string;
  points: [x: number, y: number, min: number, max: number][];
}

function seriesOf(outcome: Outcome, axis: Axis): Series[] {
  const all = new Map<string, Series>();
  for (const row of outcome.rows) {
    const x = axis.at(row);
    if (x === null || row.summary === null) continue;
    const what = row.rival === 'overlane' ? row.engine : row.rival;
    const name = what === null ? row.trial : `${row.trial}: ${what}`;
    const series = all.get(name) ?? { name, points: [] };
    series.points.push([x, row.summary.median, row.summary.min, row.summary.max]);
    all.set(name, series);
  }
  for (const series of all.values()) series.points.sort((a, b) => a[0] - b[0]);
  return [...all.values()];
}

/** Range of a logarithmic axis with some air around the values. */
function range(values: readonly number[], air: number): { min: number; max: number } {
  return { min: Math.min(...values) / air, max: Math.max(...values) * air };
}

/** An SVG, or null when no row belongs into the picture. */
function draw(outcome: Outcome, axis: Axis): string | null {
  const series = seriesOf(outcome, axis);
  const points = series.flatMap((one) => one.points);
  if (points.length === 0) return null;
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const machine = outcome.machine;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: {
      text: axis.title,
      subtext: `${machine.cpu}, ${machine.kernel}, Node ${machine.node}; median of ${outcome.rounds} rounds, bars: min-max`,
      left: 'center',
    },
    legend: { itemGap: 28, bottom: 0, type: 'plain' },
    grid: { left: 70, right: 40, top: 80, bottom: 110 },
    xAxis: {
      type: 'log',
      logBase: 2,
      name: axis.name,
      nameLocation: 'middle',
      nameGap: 30,
      ...range(xs, 1.3),
      axisTick: { customValues: xs },
      axisLabel: { customValues: xs, formatter: axis.label },
      splitLine: { show: false },
    },
    yAxis: { type: 'log', name: 'ns/packet', ...logRange(points.flatMap(([, , min, max]) => [min, max])) },
    series: series.flatMap((one) => [
      { type: 'line', name: one.name, data: one.points.map(([x, y]) => [x, y]), symbol: 'circle', symbolSize: 8 },
      {
        type: 'custom',
        name: one.name,
        renderItem: whisker,
        data: one.points.map(([x, , min, max]) => [x, min, max]),
        silent: true,
      },
    ]),
  } as echarts.EChartsCoreOption);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** Whole powers of ten around the values, so that the labels are round. */
function logRange(values: readonly number[]): { min: number; max: number } {
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  return { min: low, max: high > low ? high : low * 10 };
}

/** A vertical line from the lowest to the highest round. */
function whisker(
  _: unknown,
  api: { value(i: number): number; coord(at: number[]): number[]; visual(name: string): string },
): unknown {
  const [x1, y1] = api.coord([api.value(0), api.value(1)]);
  const [x2, y2] = api.coord([api.value(0), api.value(2)]);
  return { type: 'line', shape: { x1, y1, x2, y2 }, style: { stroke: api.visual('color'), lineWidth: 2 } };
}

/** File name → SVG text. Trials of encryption have a picture of their own. */
export function pictures(outcome: Outcome): Map<string, string> {
  const encrypting = new Set(outcome.rows.flatMap(({ trial, engine }) => (engine === null ? [] : [trial])));
  const rowsOf = (encrypted: boolean) => outcome.rows.filter(({ trial }) => encrypting.has(trial) === encrypted);
  const files = new Map<string, string>();
  for (const [name, axis, rows] of [
    ['ns-by-size.svg', BY_SIZE, rowsOf(false)],
    ['ns-by-macs.svg', BY_MACS, rowsOf(false)],
    ['ns-by-size-encrypted.svg', ENCRYPTED, rowsOf(true)],
  ] as const) {
    const svg = draw({ ...outcome, rows: [...rows] }, axis);
    if (svg !== null) files.set(name, svg);
  }
  return files;
}
