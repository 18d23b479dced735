/** Finds the product under test: this package, or a researcher's variant of it built elsewhere. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as Overlane from 'overlane';
import type { Product } from './trial.js';

/** Root of the package that this file was compiled into (`dist/bench/harness/`). */
export const packageRoot = fileURLToPath(new URL('../../..', import.meta.url));

/** Says why `root` cannot be measured, or null. */
export function productProblem(root: string): string | null {
  const entry = join(root, 'dist', 'index.js');
  return existsSync(entry) ? null : `${entry} does not exist; build that checkout first (npm run build)`;
}

export async function loadProduct(root: string): Promise<Product> {
  const api = (await import(pathToFileURL(join(root, 'dist', 'index.js')).href)) as typeof Overlane;
  return { api, root };
}

/** A module inside the product, for what the public API does not offer; only the FDB trial needs one. */
export async function loadInternal<T>(product: Product, file: string): Promise<T> {
  return (await import(pathToFileURL(join(product.root, 'dist', file)).href)) as T;
}
