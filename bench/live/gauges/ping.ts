/** The round trip as ping sees it, on an otherwise idle path. */
import { quantile } from '../../harness/stats.js';
import { missingPrograms } from '../../peers/peer.js';
import { CpuWatch } from '../cpu.js';
import type { Gauge } from '../gauge.js';
import { CONTAINERS } from '../setup.js';

/** Between two requests; below 2 ms only root may. */
const INTERVAL_SECONDS = 0.002;
const LEAST = 100;
const MOST = 100_000;
/** Requests of one ping process: what it prints about them is kept whole (64 KiB). */
const CHUNK = 500;

/** Round trips in µs, in order of arrival. */
export function parsePing(text: string): number[] {
  return [...text.matchAll(/^\d+ bytes from .* time=([\d.]+) ms/gm)].map((match) => Number(match[1]) * 1000);
}

export const pingGauge: Gauge = {
  name: 'ping',
  where: '',
  main: 'p50_us',
  better: 'lower',
  unit: 'µs',
  quick: true,
  missing: () => missingPrograms(['ping'], 'iputils-ping'),
  async run({ ends }, { seconds, quick }) {
    const wanted = Math.round((quick ? seconds / 4 : seconds) / INTERVAL_SECONDS);
    const count = Math.min(MOST, Math.max(LEAST, wanted));
    const watch = new CpuWatch();
    const times: number[] = [];
    for (let done = 0; done < count; done += CHUNK) {
      const requests = Math.min(CHUNK, count - done);
      const args = ['-n', '-i', `${INTERVAL_SECONDS}`, '-c', `${requests}`, '-W', '1', CONTAINERS[1].ip];
      times.push(...parsePing(await ends.a.run('ping', args, requests * INTERVAL_SECONDS * 3000 + 5000)));
    }
    if (times.length === 0) throw new Error('ping printed no round trip');
    return {
      p50_us: quantile(times, 0.5),
      p99_us: quantile(times, 0.99),
      lost: count - times.length,
      quiet: watch.usage().quiet,
    };
  },
};
