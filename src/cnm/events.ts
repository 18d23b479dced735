/** What happens to networks and sandboxes, told as Docker's event stream has it. */

export interface ControllerEvent {
  type: 'network' | 'sandbox';
  /** `lost`: its namespace is gone, and so are its endpoints. */
  action: 'create' | 'destroy' | 'connect' | 'disconnect' | 'prune' | 'lost';
  id: string;
  name: string;
  /** Such as `driver`, and the `sandbox` that was connected. */
  attributes: Record<string, string>;
  /** Milliseconds since 1970. */
  time: number;
}

export interface ControllerEvents {
  /** Something was made, joined, left or removed. */
  event: [ControllerEvent];
  /** Something is not as it should be, and what to do. */
  warning: [string];
}
