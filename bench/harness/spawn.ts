/** Runs one case in a fresh, pinned child process. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Reply, Request } from './child.js';
import { type Pinning, pinned } from './pinning.js';
import { Absent, type Sample } from './trial.js';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

export interface SpawnOptions {
  pinning: Pinning;
  signal: AbortSignal;
  /** Entry of the child; for tests. Default: `child.js` beside this file. */
  child?: string;
  /** Milliseconds until the child is given up and killed. Default: 60 s for set-up plus four times the measuring time. */
  timeout?: number;
}

/** The child's environment: fixed, so that options of the caller's shell (inspector, loaders) do not reach the measurement. */
function environment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...rest } = process.env;
  return rest;
}

export function runInChild(request: Request, options: SpawnOptions): Promise<Sample> {
  const timeout = options.timeout ?? 60_000 + request.seconds * 4_000;
  const args = ['--max-old-space-size=4096', options.child ?? CHILD, JSON.stringify(request)];
  const [command, argv] = pinned(options.pinning, process.execPath, args);
  return new Promise((resolve, reject) => {
    // Its own process group: Ctrl-C reaches only us, and we end the child.
    const child = spawn(command, argv, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: environment(),
      detached: true,
    });
    let reply: Reply | undefined;
    let errors = '';
    let why = '';
    const kill = (reason: string) => {
      why = reason;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => kill(`gave no result within ${timeout / 1000} s`), timeout);
    const onAbort = () => kill('interrupted');
    options.signal.addEventListener('abort', onAbort, { once: true });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-2000);
    });
    child.on('message', (message) => {
      reply = message as Reply;
    });
    child.on('error', (error) => kill(error.message));
    child.on('close', (code, sig) => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
      if (reply === undefined || why !== '') {
        const last = errors.trim().split('\n').slice(-3).join(' | ');
        reject(new Error(why || `ended without a result (${sig ?? `exit status ${code}`})${last && `: ${last}`}`));
      } else if ('absent' in reply) reject(new Absent(reply.absent));
      else if ('failure' in reply) reject(new Error(reply.failure));
      else resolve(reply.sample);
    });
    if (options.signal.aborted) onAbort();
  });
}
