/** Names the machine: a figure without it may not be quoted. */
import { readFileSync } from 'node:fs';
import os from 'node:os';

export interface Machine {
  cpu: string;
  cores: number;
  /** Bytes. */
  memory: number;
  kernel: string;
  node: string;
  governor: string | null;
  /** Whether a hypervisor announces itself. */
  virtual: boolean;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

export function describeMachine(): Machine {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memory: os.totalmem(),
    kernel: `${os.type()} ${os.release()} ${os.machine()}`,
    node: process.version,
    governor: read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
    virtual: /^flags.*\bhypervisor\b/m.test(read('/proc/cpuinfo') ?? ''),
  };
}

/** One line. */
export function machineLine(m: Machine): string {
  const memory = `${Math.round(m.memory / 2 ** 30)} GiB`;
  const governor = m.governor === null ? '' : `, governor ${m.governor}`;
  return `${m.cpu}, ${m.cores} cores${m.virtual ? ' (virtual machine)' : ''}, ${memory}${governor}, ${m.kernel}, Node ${m.node}`;
}
