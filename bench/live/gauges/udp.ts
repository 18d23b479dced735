/** Small UDP packets: the highest rate that is carried with less than 0.1 % loss, counted from end to end. */
import { missingPrograms } from '../../peers/peer.js';
import { CpuWatch } from '../cpu.js';
import { daemonSeconds, daemonSince, type Figures, type Gauge, type GaugeOptions, type Live } from '../gauge.js';
import { highestRate, TOLERATED_LOSS } from '../search.js';
import { CONTAINERS } from '../setup.js';
import { FRAME_SIZE, sendUdp } from '../udp-load.js';

/** Rates tried at most, and again when a longer run at the rate found loses more than the short ones did. */
const STEPS = 7;
const QUICK_STEPS = 3;
const STEP_BACK = 0.8;
const STEPS_BACK = 8;

async function run(gso: boolean, live: Live, { seconds, quick, signal }: GaugeOptions): Promise<Figures> {
  const { a, b } = live.ends;
  const send = (rate: number | null, time: number) =>
    sendUdp(a, b, CONTAINERS[1].ip, { rate, seconds: time, gso }, signal);
  const short = Math.max(0.15, seconds / (quick ? 6 : 8));
  const found = await highestRate((rate) => send(rate, short), { steps: quick ? QUICK_STEPS : STEPS });
  if (found === null) throw new Error(`every rate lost more than ${TOLERATED_LOSS * 100} % of the packets`);
  let rate = found.rate;
  for (let back = 0; back <= STEPS_BACK; back++) {
    const before = daemonSeconds(live);
    const watch = new CpuWatch();
    const result = await send(rate, quick ? seconds / 3 : seconds);
    const { busy, quiet } = watch.usage();
    if (result.loss < TOLERATED_LOSS) {
      const daemons = [...daemonSince(live, before).values()].reduce((sum, each) => sum + each, 0);
      return {
        kpps: result.received / 1e3,
        cpu_us_per_packet: (busy * 1e6) / result.packets,
        ...(live.lab.daemons.length === 0 ? {} : { daemon_cpu_us_per_packet: (daemons * 1e6) / result.packets }),
        loss_percent: result.loss * 100,
        offered_kpps: found.offered / 1e3,
        reordered: result.reordered,
        quiet,
      };
    }
    rate = (rate ?? result.received) * STEP_BACK;
  }
  throw new Error(`no steady rate with less than ${TOLERATED_LOSS * 100} % loss was found`);
}

function udp(gso: boolean): Gauge {
  return {
    name: 'udp',
    where: `${FRAME_SIZE} B${gso ? ', UDP_SEGMENT' : ''}`,
    main: 'kpps',
    better: 'higher',
    unit: 'kpps',
    quick: !gso,
    missing: () => missingPrograms([process.env['CXX'] ?? 'g++'], 'g++'),
    run: (live, options) => run(gso, live, options),
  };
}

export const udpGauges = [udp(false), udp(true)];
