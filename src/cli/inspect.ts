/** `overlane inspect`: what the dataplane under networks and sandboxes does at this moment. */
import { Command } from 'commander';
import { OverlaneError } from '../errors.js';
import { DaemonClient, withSocket } from './daemon-client.js';
import type { InspectView } from './daemon-types.js';
import { inspectionText } from './inspect-report.js';
import { isAbsent } from './several.js';

export function inspectCommand(): Command {
  const command = new Command('inspect')
    .description('Show forwarding tables, neighbors, VTEPs, and ports with their counters.')
    .argument('[ref]', 'a network or a sandbox, by name or id (default: all)')
    .option('--json', 'one JSON object; counters are decimal strings');
  return withSocket(command).action(async (ref: string | undefined, given: { socket?: string; json?: true }) => {
    const view = await look(new DaemonClient(given.socket), ref);
    process.stdout.write(`${given.json ? JSON.stringify(view) : inspectionText(view)}\n`);
  });
}

/** A network is looked for first: networks and sandboxes may have the same name. */
async function look(client: DaemonClient, ref: string | undefined): Promise<InspectView> {
  if (ref === undefined) return client.get('/overlane/inspect');
  for (const kind of ['network', 'sandbox']) {
    try {
      return await client.get('/overlane/inspect', { [kind]: ref });
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
  throw new OverlaneError(
    'ERR_OVERLANE_MISSING',
    `there is no network and no sandbox ${ref}; 'overlane network ls' and 'overlane sandbox ls' show which there are`,
  );
}
