/** The figures as pictures: bars by setup, with the lowest and the highest round. */
import * as echarts from 'echarts';
import type { Figure } from './gauge.js';
import type { LiveOutcome, LiveRow, Spread } from './outcome.js';

const WIDTH = 900;
const HEIGHT = 520;

interface Picture {
  file: string;
  title: string;
  unit: string;
  /** Rows in it, and which figures of each. */
  gauge: string;
  figures: readonly Figure[];
  series(row: LiveRow, figure: Figure): string;
}

const PICTURES: readonly Picture[] = [
  {
    file: 'live-tcp.svg',
    title: 'TCP between two containers',
    unit: 'Gb/s',
    gauge: 'tcp',
    figures: ['gbps'],
    series: (row) => row.where,
  },
  {
    file: 'live-cpu.svg',
    title: 'Time of all cores for a gigabit of TCP',
    unit: 'ms/Gb',
    gauge: 'tcp',
    figures: ['cpu_ms_per_gbit'],
    series: (row) => row.where,
  },
  {
    file: 'live-udp.svg',
    title: 'UDP packets with less than 0.1 % loss',
    unit: 'kpps',
    gauge: 'udp',
    figures: ['kpps'],
    series: (row) => row.where,
  },
  {
    file: 'live-ping.svg',
    title: 'Round trip of a ping',
    unit: 'µs',
    gauge: 'ping',
    figures: ['p50_us', 'p99_us'],
    series: (_, figure) => (figure === 'p50_us' ? 'median' : '99th percentile'),
  },
];

function draw(outcome: LiveOutcome, picture: Picture): string | null {
  const rows = outcome.rows.filter((row) => row.gauge === picture.gauge && row.figures[row.main] !== undefined);
  if (rows.length === 0) return null;
  const setups = outcome.setups.map(({ name }) => name).filter((name) => rows.some(({ setup }) => setup === name));
  const series = new Map<string, (Spread | undefined)[]>();
  for (const row of rows) {
    for (const figure of picture.figures) {
      const name = picture.series(row, figure);
      const values = series.get(name) ?? setups.map(() => undefined);
      values[setups.indexOf(row.setup)] = row.figures[figure];
      series.set(name, values);
    }
  }
  return render(outcome, picture, setups, series);
}

function render(
  { machine, rounds, congestion }: LiveOutcome,
  { title, unit, gauge }: Picture,
  setups: string[],
  series: Map<string, (Spread | undefined)[]>,
): string {
  const highest = [...series.values()].flat().flatMap((value) => value?.max ?? []);
  const of = `${machine.cpu}, ${machine.cores} cores, ${machine.kernel}; median of ${rounds} rounds, lines: min-max`;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    title: {
      text: title,
      subtext: gauge === 'tcp' ? `${of}\nTCP's congestion control: ${congestion}` : of,
      left: 'center',
    },
    legend: { itemGap: 28, bottom: 0, type: 'plain' },
    grid: { left: 70, right: 40, top: 80, bottom: 110 },
    xAxis: { type: 'category', data: setups, axisLabel: { interval: 0, rotate: 20 } },
    yAxis: { type: 'value', name: unit, max: roundUp(Math.max(...highest)) },
    series: [...series].flatMap(([name, values], at) => [
      { type: 'bar', name, data: values.map((value) => value?.median ?? null) },
      {
        type: 'custom',
        name,
        renderItem: whisker(at, series.size),
        data: values.flatMap((value, x) => (value === undefined ? [] : [[x, value.min, value.max]])),
        silent: true,
        z: 10,
      },
    ]),
  } as echarts.EChartsCoreOption);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten: the axis fits the bars by itself, but not the lines on them. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8].find((step) => step * power >= value) ?? 10) * power;
}

interface RenderApi {
  value(i: number): number;
  coord(at: number[]): number[];
  barLayout(options: object): { offsetCenter: number }[];
}

/** A vertical line from the lowest to the highest round, on bar `at` of `of`. */
function whisker(at: number, of: number): (_: unknown, api: RenderApi) => unknown {
  return (_, api) => {
    const shift = api.barLayout({ count: of })[at]?.offsetCenter ?? 0;
    const [x = 0, low = 0] = api.coord([api.value(0), api.value(1)]);
    const high = api.coord([api.value(0), api.value(2)])[1] ?? 0;
    const shape = { x1: x + shift, x2: x + shift, y1: low, y2: high };
    return { type: 'line', shape, style: { stroke: '#333', lineWidth: 2 } };
  };
}

/** File name → SVG text. */
export function livePictures(outcome: LiveOutcome): Map<string, string> {
  return new Map(
    PICTURES.flatMap((picture) => {
      const svg = draw(outcome, picture);
      return svg === null ? [] : [[picture.file, svg] as const];
    }),
  );
}
