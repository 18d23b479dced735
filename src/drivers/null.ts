/** Driver `null`: a sandbox with its loopback and nothing else. The smallest driver: copy it to write another. */
import type { Driver } from './driver.js';

export function nullDriver(): Driver {
  return {
    name: 'null',
    scope: 'local',
    addressed: false,
    settle: () => ({}),
    open: async () => {},
    close: async () => {},
    join: async () => ({ gateways: [] }),
    leave: async () => {},
    bridges: () => [],
    port: () => null,
  };
}
