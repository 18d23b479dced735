/** Network namespaces that have a name: a file on which one is mounted, as `ip netns` keeps them below `/run/netns`. */
import { optionError, shown } from '../dataplane/check.js';
import { native } from '../dataplane/undo.js';
import { addon } from '../native.js';

/** Absolute path of a namespace, such as `/run/netns/c1` or `/proc/7/ns/net`; null: that of this process. */
export type NetnsPath = string | null;

/** `path` when it is one. */
export function namespacePath(path: string): string {
  const absolute = typeof path === 'string' && path.startsWith('/') && !path.includes('\0') && !path.endsWith('/');
  if (absolute) return path;
  throw optionError(`a network namespace is given by its absolute path, such as /run/netns/c1, not ${shown(path)}`);
}

export function netnsOrOwn(netns: NetnsPath): string | null {
  return netns === null ? null : namespacePath(netns);
}

/**
 * Makes a network namespace with its loopback up, which is kept by a file at `path`; folders on the way are made. A call that throws
 * leaves nothing behind. Takes about a millisecond, most of it the kernel's.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_EXISTS` when there is something at `path`; `ERR_OVERLANE_PERMISSION` without CAP_SYS_ADMIN, or
 *   write access; `ERR_OVERLANE_SYSTEM` for what else the kernel says.
 */
export function createNamespace(path: string): void {
  const where = namespacePath(path);
  native('createNamespace', () => addon.createNamespace(where));
}

/**
 * Removes the file that keeps a namespace. The namespace ends with the last process, and open port, in it. One that is not there is fine,
 * and so is the file of one whose making was cut short.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` when something else is at `path`, which stays; `ERR_OVERLANE_PERMISSION`.
 */
export function deleteNamespace(path: string): void {
  const where = namespacePath(path);
  native('deleteNamespace', () => addon.deleteNamespace(where));
}

/** Whether there is a network namespace at `path`: a file of that name alone is none. */
export function isNamespace(path: string): boolean {
  return addon.isNamespace(namespacePath(path));
}

/**
 * Which namespace it is, as `device:inode`: the same for all paths that lead to it, and no other's while it lives.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_MISSING`; `ERR_OVERLANE_OPTION` when something else is at `path`.
 */
export function namespaceId(path: NetnsPath): string {
  const netns = netnsOrOwn(path);
  return native('namespaceId', () => addon.namespaceId(netns));
}
