/** The daemon: a controller behind an API on a unix socket. */
import type { Logger } from 'pino';
import { Controller } from '../cnm/controller.js';
import { SqliteStore } from '../cnm/sqlite-store.js';
import type { OverlaySettings } from '../drivers/overlay-node.js';
import { FilePeers } from '../drivers/peers/file-peers.js';
import { InProcessPeers } from '../drivers/peers/in-process-peers.js';
import { packageVersion } from '../version.js';
import { captureRoutes } from './api/capture.js';
import { connectRoutes } from './api/connect.js';
import { containerRoutes } from './api/containers.js';
import { eventRoutes } from './api/events.js';
import { inspectRoutes } from './api/inspect.js';
import { networkRoutes } from './api/networks.js';
import { sandboxRoutes } from './api/sandboxes.js';
import { systemRoutes } from './api/system.js';
import { EventLog } from './event-log.js';
import { createApi } from './http.js';
import { logController, logRequest } from './log.js';
import type { DaemonOptions } from './options.js';
import { checkSocket, groupId, listenOn } from './socket.js';

/** Milliseconds that requests have to end when the daemon stops. */
const GRACE = 5000;

export interface Daemon {
  /** Ends what is under way, closes everything, and leaves the containers their interfaces. */
  stop(): Promise<void>;
}

/** Opens everything; the socket last, so that who finds it finds a daemon that answers. What throws has left nothing open. */
export async function startDaemon(options: DaemonOptions, logger: Logger): Promise<Daemon> {
  const gid = options.group === null ? null : groupId(options.group);
  await checkSocket(options.socket);
  const controller = await openController(options, logger);
  try {
    logController(logger, controller);
    const facts = { version: packageVersion(), folder: options.folder };
    const log = new EventLog(controller);
    const events = eventRoutes(log);
    const captures = captureRoutes(controller);
    const routes = [
      ...systemRoutes(controller, facts),
      ...events.routes,
      ...networkRoutes(controller, log),
      ...connectRoutes(controller),
      ...containerRoutes(controller),
      ...sandboxRoutes(controller),
      ...inspectRoutes(controller),
      ...captures.routes,
    ];
    const handled = (request: Parameters<typeof logRequest>[1]) => logRequest(logger, request);
    const api = createApi({ routes, version: facts.version, handled });
    const removeSocket = await listenOn(api.server, { path: options.socket, gid });
    api.server.on('error', (error) => logger.error({ err: error }, 'socket'));
    logger.info({ socket: options.socket, store: options.store, ...facts, workers: options.workers }, 'ready');
    const stop = async () => {
      removeSocket();
      const ended = api.close(GRACE);
      events.close();
      captures.close();
      await ended;
      await controller.close();
    };
    return { stop };
  } catch (error) {
    await controller.close();
    throw error;
  }
}

async function openController(options: DaemonOptions, logger: Logger): Promise<Controller> {
  const { store, folder, runFolder, workers, defaultBridge, firewall } = options;
  const overlay = overlaySettings(options, logger);
  return Controller.open({
    store: new SqliteStore(store),
    folder,
    runFolder,
    dataplane: { workers: Array.from({ length: workers }, () => ({})) },
    defaultBridge,
    firewall,
    drivers: overlay === null ? {} : { overlay },
  });
}

function overlaySettings(
  { vtep, vxlanPort, peers, overlayKeys }: DaemonOptions,
  logger: Logger,
): OverlaySettings | null {
  if (vtep === null) return null;
  return {
    vtep,
    port: vxlanPort,
    peers: peers === null ? new InProcessPeers() : new FilePeers(peers, (message) => logger.warn(message)),
    ...(overlayKeys === null ? {} : { encryption: { keys: overlayKeys } }),
  };
}
