/** Least privilege: what a process gives up once its ports are open. */

import { OverlaneError } from '../errors.js';
import { addon } from '../native.js';
import Type from '../schema.js';
import { checkOptions, expects, optionsOf } from './check.js';
import { native } from './undo.js';

/** Those of Linux, in the order of linux/capability.h: the index is the number. */
const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

/** A capability of Linux by its name, such as `CAP_NET_RAW`: capabilities(7). */
export type Capability = (typeof CAPABILITIES)[number];

export interface PrivilegeOptions {
  /** What the process goes on holding; default nothing. */
  keep?: Capability[];
}

const capability = expects("a capability such as 'CAP_NET_RAW'", Type.Enum([...CAPABILITIES]));
const schema = optionsOf<PrivilegeOptions>({
  keep: Type.Optional(expects("a list of capabilities such as 'CAP_NET_RAW'", Type.Array(capability))),
});

/**
 * Gives up every capability of the process but those in `keep`, in all of its threads (Node's, V8's, the workers of every dataplane), and
 * for good: the bounding, inheritable and ambient sets are emptied, and no_new_privs is set, so that no program that is started later gets
 * more, setuid ones included. Without CAP_SETPCAP the bounding set stays, which no_new_privs makes harmless.
 *
 * Call it when ports and underlays are open, before or after `start()`. What is open goes on working and can be closed; bridges, peers and
 * entries need no privilege. What can be added afterwards, and what a port needs when its interface comes back, depends on `keep`:
 * docs/privileges.md has the table. The user stays the same: a process of root's is still the owner of root's files.
 *
 * Takes effect before it returns. Blocks this thread for a few milliseconds; no packet is lost by it.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION`; `ERR_OVERLANE_PERMISSION` when a capability in `keep` is not there to be kept. Nothing has
 *   changed then. `ERR_OVERLANE_SYSTEM` when a thread could not be reached: privileges are partly dropped, and the process should end.
 */
export function dropPrivileges(options: PrivilegeOptions = {}): void {
  const { keep = [] } = checkOptions(schema, options, 'dropPrivileges');
  const held = addon.permittedCapabilities();
  const wanted = keep.map((name) => ({ name, bit: 1n << BigInt(CAPABILITIES.indexOf(name)) }));
  const lacking = wanted.filter(({ bit }) => (held & bit) === 0n).map(({ name }) => name);
  if (lacking.length > 0) {
    throw new OverlaneError(
      'ERR_OVERLANE_PERMISSION',
      `dropPrivileges cannot keep ${lacking.join(', ')}: this process does not have it; leave it out, or start with it`,
    );
  }
  native('dropPrivileges', () => addon.dropCapabilities(wanted.reduce((set, { bit }) => set | bit, 0n)));
}
