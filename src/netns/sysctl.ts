/** Kernel settings of network namespaces: `net.…` of sysctl(8). */
import { optionError, shown } from '../dataplane/check.js';
import { native } from '../dataplane/undo.js';
import { addon } from '../native.js';
import { type NetnsPath, netnsOrOwn } from './namespace.js';

const SEPARATOR = /[./]/;

/**
 * The path of a key below `/proc/sys`. As in sysctl(8), its first separator tells how it is written: `net.ipv4.conf.eth0/5.forwarding`
 * and `net/ipv4/conf/eth0.5/forwarding` are the same.
 */
function sysctlPath(key: string): string {
  const dotted = typeof key === 'string' && SEPARATOR.exec(key)?.[0] === '.';
  const path = dotted ? key.replace(/[./]/g, (at) => (at === '.' ? '/' : '.')) : key;
  const words = typeof path === 'string' ? path.split('/') : [];
  const plain = words.every((word) => word !== '' && word !== '.' && word !== '..' && !/\p{Cc}/u.test(word));
  if (words.length > 1 && words[0] === 'net' && plain) return path;
  throw optionError(`a setting of a network namespace is one like 'net.ipv4.ip_forward', not ${shown(key)}`);
}

/**
 * Reads a setting, such as `net.ipv4.ip_forward`.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING` when there is no such namespace or setting; `ERR_OVERLANE_PERMISSION`.
 */
export function readSysctl(netns: NetnsPath, key: string): string {
  const [where, path] = [netnsOrOwn(netns), sysctlPath(key)];
  return native('readSysctl', () => addon.readSysctl(where, path));
}

/**
 * Changes a setting.
 *
 * @throws {OverlaneError} as {@link readSysctl}, and `ERR_OVERLANE_OPTION` for a value that the kernel does not take.
 */
export function writeSysctl(netns: NetnsPath, key: string, value: string | number | bigint): void {
  const [where, path] = [netnsOrOwn(netns), sysctlPath(key)];
  const text = String(value);
  if (text === '' || text.length > 4096) throw optionError(`the value of ${key} must have 1 to 4096 characters`);
  native('writeSysctl', () => addon.writeSysctl(where, path, text));
}
