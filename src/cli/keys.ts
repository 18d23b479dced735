/** `overlane keys new FILE`: makes a key file for encrypted bridges. */
import { Command, InvalidArgumentError } from 'commander';
import { type KeyFileOptions, writeKeyFile } from '../keyring/key-file.js';

interface NewOptions {
  profile?: string;
  id?: number;
  keyBits?: number;
  since?: string;
  json?: true;
}

export function keysCommand(): Command {
  const create = new Command('new')
    .description(
      'Make a key file with one new random key, which only this user may read. A file that exists is not replaced.',
    )
    .argument('<file>', 'the key file')
    .option('--profile <name>', 'strong (default), or docker')
    .option('--id <number>', 'id, or tag of Docker, of the key; default 1', whole)
    .option('--key-bits <bits>', 'profile docker: 128 (default) or 256', whole)
    .option('--since <date>', 'profile strong: when its first epoch begins, an ISO date; default today')
    .option('--json', 'print {file} on stdout')
    .addHelpText(
      'after',
      '\nThe file format: docs/topology.md, Encryption. Bring the file to every node over a channel that you trust, as it opens' +
        '\neverything that is sent from --since on.',
    )
    .action((file: string, { json, ...options }: NewOptions) => {
      // Validated there.
      writeKeyFile(file, options as KeyFileOptions);
      if (json) process.stdout.write(`${JSON.stringify({ file })}\n`);
      else process.stderr.write(`made ${file}\n`);
    });
  return new Command('keys').description('Make key files for encrypted bridges.').addCommand(create);
}

function whole(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('it takes a whole number.');
}
