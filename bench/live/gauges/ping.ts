/** The round trip as ping sees it, on an otherwise idle path. */
import { quantile } from '../../harness/stats.js';
import { missingPrograms } from '../../peers/peer.js';
import { CpuWatch } from '../cpu.js';
import type { Gauge } from '../gauge.js';
import { CONTAINERS } from '../setup.js';

/**
 * Between two requests. Where less than 10 ms are left until the next one, iputils' ping does not sleep but tries its socket over and over:
 * it would hold a core while the daemons are measured. The other 2 ms are for answers that take their time. Its sleep ends on
 * a tick of the kernel: with 250 of them a second, 12 ms are 16 ms.
 */
const INTERVAL_SECONDS = 0.012;
/** So that the 99th percentile is not the slowest of all: 5 s a round. */
const LEAST = 300;
const LEAST_QUICK = 50;
const MOST = 10_000;
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
    const count = Math.min(MOST, Math.max(quick ? LEAST_QUICK : LEAST, wanted));
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
