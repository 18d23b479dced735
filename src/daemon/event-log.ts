/** What happened, as Docker's event stream tells it: the latest, and whatever comes. */
import { EventEmitter } from 'node:events';
import type { Controller } from '../cnm/controller.js';
import type { ControllerEvent } from '../cnm/events.js';

/** So many are kept for who asks later, as in Docker. */
const KEPT = 256;

/** One event; `attributes` hold the labels, too. */
export interface LoggedEvent {
  type: 'network' | 'container';
  action: string;
  /** Empty when it is about several. */
  id: string;
  attributes: Record<string, string>;
  /** Milliseconds since 1970. */
  time: number;
}

/** Listens to a controller; emits `event` for each. */
export class EventLog extends EventEmitter<{ event: [LoggedEvent] }> {
  readonly #kept: LoggedEvent[] = [];
  /** By id, for when they are gone. */
  readonly #labels = new Map<string, Record<string, string>>();

  constructor(controller: Controller) {
    super();
    // One a client, and those are counted.
    this.setMaxListeners(0);
    for (const { id, record } of [...controller.networks, ...controller.sandboxes]) this.#labels.set(id, record.labels);
    controller.on('event', (event) => this.#take(controller, event));
  }

  /** The latest, the oldest first. */
  get kept(): readonly LoggedEvent[] {
    return this.#kept;
  }

  add(event: LoggedEvent): void {
    this.#kept.push(event);
    if (this.#kept.length > KEPT) this.#kept.shift();
    this.emit('event', event);
  }

  #take(controller: Controller, { type, action, id, name, attributes, time }: ControllerEvent): void {
    if (action === 'create') {
      const found = [...(type === 'network' ? controller.networks : controller.sandboxes)].find((one) => one.id === id);
      if (found !== undefined) this.#labels.set(id, found.record.labels);
    }
    const labels = this.#labels.get(id) ?? {};
    if (action === 'destroy' || action === 'lost') this.#labels.delete(id);
    this.add({
      type: type === 'network' ? 'network' : 'container',
      // A container of Docker whose namespace is gone has died.
      action: action === 'lost' ? 'die' : action,
      id,
      attributes: { ...labels, ...attributes, name },
      time,
    });
  }
}
