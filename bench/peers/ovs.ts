/** OVS-DPDK's learning bridge between two captures that loop for ever; what it sends is discarded. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stationFrames, toPcap } from '../harness/traffic.js';
import { Absent, type Sample } from '../harness/trial.js';
import { findProgram, missingPrograms, type Peer, type PeerContext } from './peer.js';
import { PeerProcess, pause, runTool } from './process.js';

const MACS = 1024;
const SIZE = 64;
const DAEMON = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk';
const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
const PACKAGES = 'openvswitch-switch-dpdk librte-net-pcap23';

/** ns a packet, from `dpif-netdev/pmd-perf-show`: measured duration and packets received. */
export function perfSample(text: string): Sample {
  const seconds = /Measurement duration:\s*([\d.]+) s/.exec(text);
  const packets = /Rx packets:\s*(\d+)/.exec(text);
  if (seconds === null || packets === null) throw new Error('ovs-appctl printed no packet counts');
  return { packets: Number(packets[1]), ns: Number(seconds[1]) * 1e9 };
}

async function configure(vsctl: (...args: string[]) => Promise<string>, context: PeerContext): Promise<void> {
  const { pinning, memory } = context;
  const mask = (cpu: number) => `0x${(1n << BigInt(cpu)).toString(16)}`;
  const extra = ['--no-pci', '--no-telemetry', ...memory.args, '--file-prefix', context.prefix].join(' ');
  await vsctl('--no-wait', 'init');
  await vsctl(
    ...['--no-wait', 'set', 'Open_vSwitch', '.', 'other_config:dpdk-init=true'],
    `other_config:dpdk-extra="${extra}"`,
    `other_config:pmd-cpu-mask=${mask(pinning.cpu!)}`,
    `other_config:dpdk-lcore-mask=${mask(pinning.mainCpu!)}`,
    'other_config:dpdk-socket-mem=256',
    // Every flow into the exact-match cache: its fastest look-up.
    'other_config:emc-insert-inv-prob=1',
  );
}

async function run(context: PeerContext): Promise<Sample> {
  const { directory, memory, pinning, signal, seconds } = context;
  if (pinning.cpu === null || pinning.mainCpu === null) throw new Error('OVS-DPDK needs two cores');
  if (!memory.huge) throw new Absent(`needs huge pages; ${memory.about}`);
  const at = (name: string) => join(directory, name);
  const env = { OVS_RUNDIR: directory, OVS_LOGDIR: directory };
  const db = `unix:${at('db.sock')}`;
  const tool = (name: string, ...args: string[]) => runTool(findProgram(name)!, args, signal, env);
  const vsctl = (...args: string[]) => tool('ovs-vsctl', `--db=${db}`, '--timeout=30', ...args);
  for (const side of ['a', 'b'] as const)
    writeFileSync(at(`${side}.pcap`), toPcap(stationFrames(side, MACS / 2, SIZE)));

  await tool('ovsdb-tool', 'create', at('conf.db'), SCHEMA);
  const daemons: PeerProcess[] = [];
  try {
    daemons.push(
      new PeerProcess(findProgram('ovsdb-server')!, [at('conf.db'), `--remote=punix:${at('db.sock')}`], env),
    );
    while (!existsSync(at('db.sock'))) await pause(20, signal);
    await configure(vsctl, context);
    const control = at('vswitchd.ctl');
    const vswitchd = new PeerProcess(DAEMON, [db, `--unixctl=${control}`], env);
    daemons.push(vswitchd);
    // vsctl waits for the daemon; without this a daemon that died at once would cost its whole time limit.
    const died = vswitchd.until(/(?!)/, signal);
    died.catch(() => {});
    const setUp = async () => {
      await vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev');
      for (const [i, side] of ['a', 'b'].entries()) {
        const device = `net_pcap${i},rx_pcap=${at(`${side}.pcap`)},infinite_rx=1`;
        await vsctl(
          'add-port',
          'br0',
          `p${i}`,
          '--',
          'set',
          'Interface',
          `p${i}`,
          'type=dpdk',
          `options:dpdk-devargs="${device}"`,
        );
      }
    };
    await Promise.race([setUp(), died]);
    // Both sides learned, every flow cached.
    await pause(1500, signal);
    await tool('ovs-appctl', '-t', control, 'dpif-netdev/pmd-stats-clear');
    const cpu = vswitchd.cpuNs();
    const start = process.hrtime.bigint();
    await pause(Math.max(1, seconds) * 1000, signal);
    const cpuShare = Math.min(1, (vswitchd.cpuNs() - cpu) / Number(process.hrtime.bigint() - start));
    return { ...perfSample(await tool('ovs-appctl', '-t', control, 'dpif-netdev/pmd-perf-show')), cpuShare };
  } finally {
    for (const daemon of daemons.reverse()) await daemon.stop();
  }
}

const peer: Peer = {
  trial: 'bridge',
  case: { macs: MACS, size: SIZE, rival: 'OVS-DPDK learning bridge', wanted: 4 },
  missing: () => missingPrograms(['ovsdb-tool', 'ovsdb-server', 'ovs-vsctl', 'ovs-appctl', DAEMON], PACKAGES),
  run,
};
export default peer;
