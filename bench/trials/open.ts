import { ESP_BATCH, encryptionOf, espCases, espWorkload } from '../harness/esp.js';
import { overlayLab, REMOTE_VTEPS, runner, steady, watch } from '../harness/lab.js';
import { interleave, queueOfSenders, senderOf } from '../harness/senders.js';
import { stationFrames } from '../harness/traffic.js';
import type { Case, Product, Sample, Trial, Workload } from '../harness/trial.js';

/** Times that every station sends in a batch. The first is not timed: the senders leave the caches to themselves. */
const TURNS = 4;

/** Times `work` for about `seconds`, with `prepare` before each time, which is not in the figure. */
function timed(prepare: () => void, work: () => number, seconds: number): Sample {
  const limit = process.hrtime.bigint() + BigInt(Math.round(seconds * 1e9));
  const sample = { packets: 0, ns: 0 };
  let end: bigint;
  do {
    prepare();
    const start = process.hrtime.bigint();
    sample.packets += work();
    end = process.hrtime.bigint();
    sample.ns += Number(end - start);
  } while (end < limit);
  return sample;
}

/** A receiver, and the 16 senders to it. */
function ends(c: Case, product: Product, turns: number, loop: boolean) {
  const { macs = 1024, size = 64 } = c;
  const encryption = encryptionOf(c, loop ? 'docker' : 'strong');
  const traffic = { pairs: macs / 2, size, turns, encryption };
  const queueBytes = queueOfSenders(traffic);
  // It is there before the senders, as it refuses what was sealed earlier.
  const { lab, bridge, wire } = overlayLab(product, traffic.pairs, queueBytes, { encryption, loop });
  const local = lab.addPort({ type: 'memory', name: 'a', discard: true, queueBytes });
  bridge.attach(local);
  // The local stations are heard once, before anything arrives for them.
  local.inject(stationFrames('a', traffic.pairs, size));
  lab.run({ now: 0n, packets: traffic.pairs });
  const senders = REMOTE_VTEPS.map((_, at) => senderOf(product, { ...traffic, at }));
  const inject = () => void wire.inject(interleave(senders.map((sender) => sender.send())));
  const counters = ['decapsulated', ...(encryption === undefined ? [] : ['opened'])];
  return { lab, senders, inject, counters, pairs: traffic.pairs };
}

function fresh(c: Case, product: Product): Workload {
  const { lab, senders, inject, counters, pairs } = ends(c, product, TURNS, false);
  const receive = runner(lab);
  const prepare = () => {
    inject();
    receive(pairs);
  };
  prepare();
  receive();
  return {
    measure: (seconds) => timed(prepare, receive, seconds),
    check: watch(lab, counters),
    close() {
      for (const each of [lab, ...senders]) each.close();
    },
  };
}

function looped(c: Case, product: Product): Workload {
  const { lab, senders, inject, counters, pairs } = ends(c, product, 1, true);
  inject();
  for (const sender of senders) sender.close();
  return steady(lab, 2 * pairs, { counters, batch: ESP_BATCH });
}

/** What came once is refused as a replay by profile `strong`, and not by `docker`: the same work but for that window. */
const LOOPED = 'docker profile, looped';

/** The budget is for packets that lie in the cache, as in the other trials; fresh ones of 1,420 B do not. */
function cases(): Case[] {
  return espCases().flatMap(({ budget, ...fresh }) => {
    if (budget === undefined) return [fresh];
    const { overhead: _, ...place } = fresh;
    return [fresh, { ...place, rival: LOOPED, budget }];
  });
}

/**
 * `decap`, on an encrypted bridge. Packets of profile `strong` cannot be received twice: the 16 VTEPs are dataplanes that
 * seal fresh ones for each batch, and only the receiver's run over three quarters of it is timed; of cleartext too.
 */
const trial: Trial = {
  name: 'open',
  about:
    'ESP in UDP + VXLAN + bridge, frame underlay to memory port; strong, AES-128-GCM, fresh packets made outside the measured time; docker, looped',
  cases: cases(),
  prepare: (c, product) =>
    espWorkload(c, product, false, () => (c.rival === LOOPED ? looped(c, product) : fresh(c, product))),
};
export default trial;
