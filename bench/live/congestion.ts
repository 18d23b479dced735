/** TCP's congestion control: it decides the figures of TCP as much as the path does, so that a report names it. */
import { readFileSync } from 'node:fs';

const FOLDER = '/proc/sys/net/ipv4';
/** The default of a network namespace, as the kernel shows it to who is inside. */
export const DEFAULT_CONGESTION = `${FOLDER}/tcp_congestion_control`;

/** What TCP has here unless it is told otherwise, such as `cubic`. */
export function systemCongestion(): string {
  return readFileSync(DEFAULT_CONGESTION, 'utf8').trim();
}

function words(name: string): string[] {
  return readFileSync(`${FOLDER}/${name}`, 'utf8').trim().split(/\s+/);
}

/** What the kernel has, and which of it a namespace may choose. */
export interface CongestionControls {
  available: readonly string[];
  allowed: readonly string[];
}

export function congestionControls(): CongestionControls {
  return { available: words('tcp_available_congestion_control'), allowed: words('tcp_allowed_congestion_control') };
}

/** Why `name` cannot be the default of the namespaces of a run, with what helps; null: it can. */
export function congestionProblem(name: string, { available, allowed } = congestionControls()): string | null {
  if (!available.includes(name)) {
    return `this kernel has no '${name}'; available are ${available.join(', ')}, and modprobe tcp_NAME may bring others`;
  }
  if (allowed.includes(name)) return null;
  const wanted = [...allowed, name].join(' ');
  return `'${name}' is not for namespaces; allow it: sysctl -w net.ipv4.tcp_allowed_congestion_control="${wanted}"`;
}
