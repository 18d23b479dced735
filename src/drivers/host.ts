/** Driver `host`: a sandbox that is the namespace of the host itself, with the host's interfaces. Nothing is carried. */
import type { Driver } from './driver.js';
import { nullDriver } from './null.js';

/** There is nothing to do for it either: the controller lets only sandboxes of the host's namespace onto it. */
export function hostDriver(): Driver {
  return { ...nullDriver(), name: 'host' };
}
