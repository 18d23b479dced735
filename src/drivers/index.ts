/** The drivers that there are. */
import { bridgeDriver } from './bridge.js';
import type { Driver, DriverContext } from './driver.js';
import { hostDriver } from './host.js';
import { ipvlanDriver } from './ipvlan.js';
import { macvlanDriver } from './macvlan.js';
import { nullDriver } from './null.js';
import { overlayDriver } from './overlay.js';
import type { OverlaySettings } from './overlay-node.js';

/** Settings of drivers, for all networks of a controller. */
export interface DriverSettings {
  /** Default none: the node can hold no overlay networks. */
  overlay?: OverlaySettings;
  /** Further drivers, or others in place of ours. */
  more?: ((context: DriverContext) => Driver)[];
}

export function makeDrivers(
  context: DriverContext,
  { overlay, more = [] }: DriverSettings,
): ReadonlyMap<string, Driver> {
  const own = [
    bridgeDriver(context),
    overlayDriver(context, overlay),
    macvlanDriver(context),
    ipvlanDriver(context),
    hostDriver(),
    nullDriver(),
  ];
  const drivers = [...own, ...more.map((make) => make(context))];
  return new Map(drivers.map((driver) => [driver.name, driver]));
}
