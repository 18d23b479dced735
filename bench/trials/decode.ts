import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type CapDecoders, capDecode } from '../harness/cap-decode.js';
import { packageRoot } from '../harness/product.js';
import { Absent, type Trial } from '../harness/trial.js';

const CAP = 'npm cap decoders';
const CODECS = 'overlane codecs (TypeScript)';
const CAPTURE = join(packageRoot, 'test', 'vectors', 'docker-swarm', 'c2-eth0.pcap');

function load<T>(name: string, install: string): T {
  try {
    return createRequire(import.meta.url)(name) as T;
  } catch {
    throw new Absent(`${name} is not installed (npm install ${install})`);
  }
}

/** What a program in JavaScript pays to see the headers of a real capture's frames; a call decodes all of them. */
const trial: Trial = {
  name: 'decode',
  about: 'headers of a real capture as seen from JavaScript, with the package benchmark',
  cases: [{ quick: true }, { rival: CAP }, { rival: CODECS }],
  prepare({ rival }, { api }) {
    if (!existsSync(CAPTURE)) throw new Absent(`${CAPTURE} is part of the repository, not of the package`);
    const Benchmark = load<typeof import('benchmark')>('benchmark', 'benchmark');
    const [burst] = api.readCapture(CAPTURE, { burst: 65536 });
    if (burst === undefined) throw new Error(`${CAPTURE} holds no frames`);
    const all = Array.from(api.frames(burst), (frame) => Buffer.from(frame));
    // Every result is used, so that nothing can be optimised away.
    let seen = 0;
    let work: () => void;
    if (rival === CAP) {
      const decoders = load<CapDecoders>('cap/lib/Decoders.js', 'cap');
      work = () => {
        for (const frame of all) seen += capDecode(decoders, frame);
      };
    } else if (rival === CODECS) {
      work = () => {
        for (const frame of all) seen += Object.keys(api.decode(frame)).length;
      };
    } else {
      const columns = new api.Columns(burst.count);
      work = () => {
        seen += api.parseBurst(burst, columns).count;
      };
    }
    return {
      measure(seconds) {
        const bench = new Benchmark(work, { maxTime: seconds, minSamples: 1 });
        bench.run({ async: false });
        if (bench.error) throw bench.error;
        const { mean } = bench.stats;
        return { packets: burst.count, ns: mean * 1e9 };
      },
      check() {
        if (!(seen > 0)) throw new Error('nothing was decoded');
      },
    };
  },
};
export default trial;
