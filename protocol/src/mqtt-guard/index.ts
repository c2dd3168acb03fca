/** What stands before an MQTT broker that bounds nothing itself: the control plane's and the device's own. */
export * from './limited-connection.js';
export * from './limiter.js';
export * from './router.js';
