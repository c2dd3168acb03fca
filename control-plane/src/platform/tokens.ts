/** Injection tokens of what is not a class. */
export const CONFIG = Symbol('CONFIG');
export const LOGGER = Symbol('LOGGER');
export const CLOCK = Symbol('CLOCK');

/** Where the time comes from: services ask it, the core is told. */
export interface Clock {
  now(): Date;
}
export const systemClock: Clock = { now: () => new Date() };
