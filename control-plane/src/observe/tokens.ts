/** Whether this process has its connection to the broker now. */
export type BrokerState = () => boolean;
export const BROKER_STATE = Symbol('BROKER_STATE');
