/** The unix socket of the daemon: nobody else's is taken away, and it has its owner and mode before anybody can connect. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { OverlaneError } from '../errors.js';

/** sun_path of unix(7), less its closing zero. */
const LONGEST = 107;

export interface SocketOptions {
  /** Absolute. */
  path: string;
  /** Who may connect besides the owner; null: nobody. */
  gid: number | null;
}

/**
 * Whether a daemon could listen there: nothing is there, or a socket that nobody answers on.
 *
 * @throws {OverlaneError} `ERR_OVERLANE_OPTION` for a path that can be none, `ERR_OVERLANE_EXISTS` for a file that is no socket,
 *   `ERR_OVERLANE_BUSY` when somebody answers.
 */
export async function checkSocket(file: string): Promise<void> {
  const wrong = (message: string) => new OverlaneError('ERR_OVERLANE_OPTION', message);
  if (!path.isAbsolute(file) || file.endsWith('/') || file.includes('\0')) {
    throw wrong(`the socket '${file}' must be an absolute path of a file`);
  }
  // The folder it is first made in.
  const longest = Math.max(Buffer.byteLength(file), Buffer.byteLength(path.dirname(file)) + '/.ovlXXXXXX/s'.length);
  if (longest > LONGEST)
    throw wrong(`the path of the socket is too long; the kernel takes ${LONGEST} bytes: '${file}'`);
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new OverlaneError(
      'ERR_OVERLANE_EXISTS',
      `${file} exists and is no socket; remove it, or choose another --socket`,
    );
  }
  if (await answers(file)) {
    throw new OverlaneError(
      'ERR_OVERLANE_BUSY',
      `another program listens on ${file}; stop it (systemctl stop overlaned), or choose another --socket`,
    );
  }
}

function answers(file: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(file);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      // Its queue is full: somebody is there.
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(new OverlaneError('ERR_OVERLANE_SYSTEM', `${file}: ${error.message}`, { cause: error }));
    });
  });
}

/**
 * Lets a server listen: in a folder that nobody else can enter, until owner and mode are right; then the socket moves to its place.
 * Gives what takes it away again.
 */
export async function listenOn(server: net.Server, { path: file, gid }: SocketOptions): Promise<() => void> {
  const folder = path.dirname(file);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    const hidden = mkdtempSync(path.join(folder, '.ovl'));
    try {
      const first = path.join(hidden, 's');
      server.listen(first);
      await once(server, 'listening');
      if (gid !== null) chownSync(first, -1, gid);
      chmodSync(first, gid === null ? 0o600 : 0o660);
      await checkSocket(file);
      renameSync(first, file);
    } finally {
      rmSync(hidden, { recursive: true, force: true });
    }
  } catch (error) {
    server.close();
    if (error instanceof OverlaneError) throw error;
    throw new OverlaneError('ERR_OVERLANE_SYSTEM', `cannot listen on ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const { ino } = lstatSync(file);
  return () => {
    // Somebody may have put another one there.
    if (lstatSync(file, { throwIfNoEntry: false })?.ino === ino) unlinkSync(file);
  };
}

/** The number of a group that is given by name or number. Throws `ERR_OVERLANE_MISSING`. */
export function groupId(group: string): number {
  if (/^\d{1,10}$/.test(group) && Number(group) < 2 ** 32 - 1) return Number(group);
  const missing = `there is no group '${group}'; make it with 'groupadd --system ${group}', or choose another --group`;
  if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/.test(group)) throw new OverlaneError('ERR_OVERLANE_MISSING', missing);
  try {
    const line = execFileSync('getent', ['group', group], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const gid = /^[^:]*:[^:]*:(\d+):/.exec(line)?.[1];
    if (gid !== undefined) return Number(gid);
  } catch {
    // Said below.
  }
  throw new OverlaneError('ERR_OVERLANE_MISSING', missing);
}
