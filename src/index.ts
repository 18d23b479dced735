/**
 * overlane: a userspace packet-processing dataplane. Start with {@link Dataplane}; {@link readCapture}, {@link parseBurst} and
 * {@link decode} work without one.
 *
 * @packageDocumentation
 */
export { type Cidr, containerMac, formatIp, formatMac, parseCidr, parseIp, parseMac } from './address.js';
export { Controller } from './cnm/controller.js';
export type { ControllerOptions } from './cnm/controller-open.js';
export type { Endpoint } from './cnm/endpoint.js';
export type { ControllerEvent, ControllerEvents } from './cnm/events.js';
export type { SandboxFiles } from './cnm/files.js';
export { DefaultIpam, type DefaultIpamOptions } from './cnm/ipam/default-ipam.js';
export type { AddressRequest, AddressSpace, Ipam, Pool, PoolRequest, RestoredPool } from './cnm/ipam/ipam.js';
export { MemoryStore } from './cnm/memory-store.js';
export type { Network } from './cnm/network.js';
export type { EndpointOptions, NetworkOptions, SandboxOptions, SubnetOptions } from './cnm/options.js';
export type {
  EndpointAddress,
  EndpointRecord,
  Json,
  NetworkRecord,
  PublishedPort,
  SandboxRecord,
  Scope,
} from './cnm/records.js';
export type { Sandbox } from './cnm/sandbox.js';
export { SqliteStore } from './cnm/sqlite-store.js';
export type { Changes, Store, StoredRecord } from './cnm/store.js';
export type { IpAddress, MacAddress } from './dataplane/addresses.js';
export type { Bridge } from './dataplane/bridge.js';
export type {
  AttachOptions,
  FdbEntry,
  FdbOptions,
  MacOptions,
  NeighborEntry,
  NeighborOptions,
  PeerOptions,
  VlanOptions,
} from './dataplane/bridge-entries.js';
export type { Forwarding } from './dataplane/bridge-forwarding.js';
export type { BridgeOptions, FloodPolicy } from './dataplane/bridge-options.js';
export { type Burst, burstOf, frames } from './dataplane/burst.js';
export {
  type CapturedBurst,
  CaptureReader,
  CaptureWriter,
  type ReadCaptureOptions,
  readCapture,
} from './dataplane/capture.js';
export { Columns, parseBurst, parseStatuses } from './dataplane/columns.js';
export {
  type Accounting,
  accounting,
  type CounterDescription,
  type Counters,
  type CounterValues,
  describeCounters,
} from './dataplane/counters.js';
export { Dataplane } from './dataplane/dataplane.js';
export type { DataplaneOptions, PacketPoolOptions, WorkerOptions } from './dataplane/dataplane-options.js';
export type { BridgeEncryption, EncryptionOptions } from './dataplane/encryption-options.js';
export type {
  DataplaneEvents,
  EncryptionTrouble,
  LinkChange,
  Miss,
  PathMtu,
  PortFailure,
} from './dataplane/events.js';
export type { RouteOptions } from './dataplane/link-options.js';
export type {
  InterfaceOptions,
  LivePortOptions,
  PacketPortOptions,
  TapPortOptions,
  XdpPortOptions,
} from './dataplane/live-port-options.js';
export { type Family, vxlanMtu } from './dataplane/mtu.js';
export type { ClosePortOptions, Port } from './dataplane/port.js';
export type { Capture, CaptureListener, CaptureOptions, PortBurst } from './dataplane/port-capture.js';
export type { MemoryPortOptions, PcapPortOptions, PortOptions } from './dataplane/port-options.js';
export { type Capability, dropPrivileges, type PrivilegeOptions } from './dataplane/privileges.js';
export type { Router, RouterInterface } from './dataplane/router.js';
export type { RouterInterfaceOptions, RouterOptions } from './dataplane/router-options.js';
export type { RunOptions } from './dataplane/run-options.js';
export type { FrameUnderlay, UdpUnderlay, Underlay } from './dataplane/underlay.js';
export type {
  FrameUnderlayOptions,
  NextHopOptions,
  UdpUnderlayOptions,
  UnderlayOptions,
} from './dataplane/underlay-options.js';
export type { Driver, DriverContext, Gateway, Joined } from './drivers/driver.js';
export type { DriverSettings } from './drivers/index.js';
export type { OverlaySettings } from './drivers/overlay-node.js';
export { FilePeers } from './drivers/peers/file-peers.js';
export { InProcessPeers } from './drivers/peers/in-process-peers.js';
export type { Peer, PeerNetwork, PeerSource, PeerWatch } from './drivers/peers/peer-source.js';
export { type ErrorCode, OverlaneError } from './errors.js';
export { type KeyFileOptions, writeKeyFile } from './keyring/key-file.js';
export {
  type KeyInfo,
  type KeyLimit,
  type KeyRole,
  Keyring,
  type KeyringEvents,
  type KeyTurn,
} from './keyring/keyring.js';
export type { CryptoEngine, KeyOptions, KeyringOptions, RotationOptions } from './keyring/keyring-options.js';
export type { KeyBits, Profile } from './keyring/secret.js';
export { parseTopology, readTopology, type Topology } from './topology.js';
export { buildTopology } from './topology-build.js';
export type {
  TopologyAttachment,
  TopologyBridge,
  TopologyFdb,
  TopologyFrameUnderlay,
  TopologyOptions,
  TopologyPeer,
  TopologyPort,
  TopologyUnderlay,
} from './topology-options.js';
export * from './wire/decode.js';
