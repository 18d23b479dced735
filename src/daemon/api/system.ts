/** `/_ping`, `/version` and `/info`: who answers here. */
import { createHash } from 'node:crypto';
import os from 'node:os';
import type { Controller } from '../../cnm/controller.js';
import { API_VERSION, type Reply, type Route } from '../route.js';

const ARCHITECTURES: Record<string, { go: string; kernel: string }> = {
  x64: { go: 'amd64', kernel: 'x86_64' },
  arm64: { go: 'arm64', kernel: 'aarch64' },
};

export interface SystemFacts {
  /** Of overlane. */
  version: string;
  /** Folder of what is kept. */
  folder: string;
}

export function systemRoutes(controller: Controller, facts: SystemFacts): Route[] {
  return [
    { method: 'GET', path: '/_ping', handle: () => ping('OK') },
    { method: 'HEAD', path: '/_ping', handle: () => ping('') },
    { method: 'GET', path: '/version', handle: () => ({ status: 200, json: versionJson(facts) }) },
    { method: 'GET', path: '/info', handle: () => ({ status: 200, json: infoJson(controller, facts) }) },
  ];
}

function ping(text: string): Reply {
  const headers = { 'Cache-Control': 'no-cache, no-store, must-revalidate', Pragma: 'no-cache', Swarm: 'inactive' };
  return { status: 200, text, headers };
}

function architecture() {
  return ARCHITECTURES[process.arch] ?? { go: process.arch, kernel: process.arch };
}

function versionJson({ version }: SystemFacts) {
  const common = {
    ApiVersion: API_VERSION,
    MinAPIVersion: '1.24',
    Os: 'linux',
    Arch: architecture().go,
    KernelVersion: os.release(),
  };
  return {
    Platform: { Name: 'overlane' },
    Components: [
      {
        Name: 'Engine',
        Version: version,
        Details: { ...common, GoVersion: '', GitCommit: '', BuildTime: '', Experimental: 'false' },
      },
      { Name: 'node', Version: process.version, Details: {} },
    ],
    Version: version,
    ...common,
    GitCommit: '',
    GoVersion: '',
  };
}

function infoJson(controller: Controller, { version, folder }: SystemFacts) {
  const { length: count } = controller.sandboxes;
  const [cpus, memory] = [os.cpus().length, os.totalmem()];
  return {
    ID: createHash('sha256').update(`${os.hostname()} ${folder}`).digest('hex').slice(0, 32),
    Name: os.hostname(),
    ServerVersion: version,
    Containers: count,
    ContainersRunning: count,
    ContainersPaused: 0,
    ContainersStopped: 0,
    Images: 0,
    Driver: 'overlane',
    DriverStatus: [['Networks', String(controller.networks.length)]],
    DockerRootDir: folder,
    Plugins: { Volume: [], Network: controller.drivers, Authorization: null, Log: [] },
    MemoryLimit: false,
    SwapLimit: false,
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: 'none',
    CgroupDriver: 'none',
    NEventsListener: 0,
    KernelVersion: os.release(),
    OperatingSystem: `${os.type()} with overlane`,
    OSType: 'linux',
    OSVersion: '',
    Architecture: architecture().kernel,
    NCPU: cpus,
    MemTotal: memory,
    IndexServerAddress: '',
    RegistryConfig: null,
    Labels: [],
    ExperimentalBuild: false,
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: '',
    SecurityOptions: [],
    Runtimes: {},
    DefaultRuntime: '',
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    Warnings: [],
  };
}
