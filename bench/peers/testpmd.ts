/** dpdk-testpmd between two null ports that copy the data: the least a packet in and out can cost. */
import type { Sample } from '../harness/trial.js';
import { findProgram, missingPrograms, type PeerContext } from './peer.js';
import { PeerProcess, pause } from './process.js';

export const TESTPMD_PACKAGES = 'dpdk dpdk-dev librte-net-null23';

export function testpmdMissing(): string | null {
  return missingPrograms(['dpdk-testpmd', 'stdbuf'], `${TESTPMD_PACKAGES} coreutils`);
}

/** Received packets of all ports, from the accumulated part of `show fwd stats all`. */
export function receivedPackets(text: string): number {
  const total = /Accumulated forward statistics for all ports\+*\s*RX-packets:\s*(\d+)/.exec(text);
  if (total === null) throw new Error('dpdk-testpmd printed no statistics');
  return Number(total[1]);
}

/** One round of `--forward-mode=mode` with frames of `size` bytes; one forwarding core. */
export async function runTestpmd(mode: string, size: number, context: PeerContext): Promise<Sample> {
  const { pinning, signal } = context;
  if (pinning.cpu === null || pinning.mainCpu === null) throw new Error('dpdk-testpmd needs two cores');
  const eal = [
    '-l',
    `${pinning.mainCpu},${pinning.cpu}`,
    '--main-lcore',
    String(pinning.mainCpu),
    '--no-pci',
    '--no-telemetry',
  ];
  const ports = [0, 1].flatMap((i) => ['--vdev', `net_null${i},size=${size},copy=1`]);
  const prefix = ['--file-prefix', context.prefix];
  const options = ['-i', `--forward-mode=${mode}`, '--nb-cores=1', '--total-num-mbufs=16384'];
  // Into a pipe it would print its statistics only at the end.
  const command = ['-oL', findProgram('dpdk-testpmd')!];
  const peer = new PeerProcess(findProgram('stdbuf')!, [
    ...command,
    ...eal,
    ...context.memory.args,
    ...prefix,
    ...ports,
    '--',
    ...options,
  ]);
  try {
    await peer.until(/testpmd> $/, signal);
    peer.send('start');
    await pause(300, signal);
    const statistics = async () => {
      peer.send('show fwd stats all');
      const at = process.hrtime.bigint();
      await peer.until(/Accumulated forward statistics[\s\S]*testpmd> $/, signal);
      return { at, cpu: peer.cpuNs(), packets: receivedPackets(peer.output) };
    };
    const before = await statistics();
    await pause(context.seconds * 1000, signal);
    const after = await statistics();
    const ns = Number(after.at - before.at);
    return { packets: after.packets - before.packets, ns, cpuShare: Math.min(1, (after.cpu - before.cpu) / ns) };
  } finally {
    await peer.stop();
  }
}
