/** Finds trials and peers: whatever lies in their directory takes part, so a copied file is a new trial. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A compiled file with a default export, and where it lies. */
export interface Found<T> {
  file: string;
  value: T;
}

/** Default exports of the `.js` files in `directory` (relative to the compiled bench) that are accepted, by file name. */
export async function discover<T>(directory: string, accept: (value: unknown) => value is T): Promise<Found<T>[]> {
  const path = fileURLToPath(new URL(`../${directory}/`, import.meta.url));
  const found: Found<T>[] = [];
  for (const name of readdirSync(path).sort()) {
    if (!name.endsWith('.js')) continue;
    const file = join(path, name);
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
    if (accept(module.default)) found.push({ file, value: module.default });
  }
  return found;
}
