/** Tells systemd how the daemon is (sd_notify(3)), by the program systemd-notify: Node has no datagrams on unix sockets. */
import { execFile } from 'node:child_process';

/** Does nothing unless systemd waits for it. Gives what went wrong, or null; nothing depends on it. */
export async function notify(state: 'READY=1' | 'STOPPING=1'): Promise<string | null> {
  if (!process.env['NOTIFY_SOCKET']) return null;
  return new Promise((resolve) => {
    execFile('systemd-notify', [`--pid=${process.pid}`, state], { timeout: 2000 }, (error) => {
      resolve(error === null ? null : `systemd was not told ${state}: ${error.message.trim()}`);
    });
  });
}
