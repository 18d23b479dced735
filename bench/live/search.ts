/** The highest packet rate that a path carries with next to no loss, by bounded bisection. */

/** What came of sending at one rate for a while. Rates in packets a second. */
export interface Probe {
  /** What the generator got rid of: below the rate it was told when it could not keep up. */
  sent: number;
  received: number;
  /** Share of the packets sent that did not arrive, 0 to 1. */
  loss: number;
}

/** RFC 2544 asks for none; a virtual machine loses some to its neighbours. */
export const TOLERATED_LOSS = 0.001;
/** Above this a second look at the same rate is a waste of time. */
const HOPELESS_LOSS = 0.02;

export interface SearchOptions {
  /** Most rates that are tried below the maximum. */
  steps: number;
  /** Ends when the interval is narrower than this share of its upper end. */
  precision?: number;
}

export interface Found {
  /** Packets a second to tell the generator; null: as fast as it goes, because even then nothing was lost. */
  rate: number | null;
  probe: Probe;
  /** The most that the generator could send here. */
  offered: number;
}

/**
 * First as fast as the generator goes; then between the highest rate without and the lowest rate with loss, beginning
 * at what arrived at first. A rate that loses a little is tried once more. Null when no rate was without loss.
 */
export async function highestRate(
  probe: (rate: number | null) => Promise<Probe>,
  { steps, precision = 0.03 }: SearchOptions,
): Promise<Found | null> {
  const good = ({ loss, received }: Probe) => received > 0 && loss < TOLERATED_LOSS;
  const most = await probe(null);
  const offered = most.sent;
  if (good(most)) return { rate: null, probe: most, offered };
  let best: Found | null = null;
  let low = 0;
  let high = offered;
  let next = Math.min(most.received, offered) * 0.95;
  for (let step = 0; step < steps && high - low > precision * high && next >= 1; step++) {
    let result = await probe(next);
    if (!good(result) && result.loss < HOPELESS_LOSS) result = await probe(next);
    if (good(result)) {
      best = { rate: next, probe: result, offered };
      low = next;
    } else {
      high = next;
    }
    next = (low + high) / 2;
  }
  return best;
}
