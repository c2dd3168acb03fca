import { StatusCode } from 'node-opcua-client';
import { MonitoredItem } from 'node-opcua-server';

/** What waits for one client and one variable: at the fastest sampling this is a second of values. */
const mostWaiting = 20;

type Notification = { value?: { statusCode: StatusCode } };
type Inside = {
  queueSize: number;
  _setOverflowBit: (notification: Notification) => void;
  _set_parameters: (this: Inside, parameters: object) => void;
};

let isMended = false;

/**
 * node-opcua 2.186 takes every value whose queue overflows for a good one and throws outside of any request where it is not, which would
 * end this process; and it lets a client ask for queues of 5000, for each of its items.
 */
export function mendMonitoredItems(): void {
  if (isMended) return;
  isMended = true;
  const inside = MonitoredItem.prototype as unknown as Inside;
  const setParameters = inside._set_parameters;
  inside._set_parameters = function (parameters) {
    setParameters.call(this, parameters);
    this.queueSize = Math.min(this.queueSize, mostWaiting);
  };
  inside._setOverflowBit = (notification) => {
    // Events have none: a queue of theirs says so with an event of its own.
    if (!notification.value) return;
    notification.value.statusCode = StatusCode.makeStatusCode(notification.value.statusCode, 'Overflow | InfoTypeDataValue');
  };
}
