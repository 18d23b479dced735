/** Driver `host`: a sandbox that is the namespace of the host itself, with the host's interfaces. Nothing is carried. */
import type { Driver } from './driver.js';

export function hostDriver(): Driver {
  return {
    name: 'host',
    scope: 'local',
    addressed: false,
    settle: () => ({}),
    open: async () => {},
    close: async () => {},
    // The controller lets only sandboxes of the host's namespace onto it.
    join: async () => ({ gateways: [] }),
    leave: async () => {},
    bridges: () => [],
    port: () => null,
  };
}
