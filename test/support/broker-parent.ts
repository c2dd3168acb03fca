// A control plane in little: starts the embedded broker, says where, and waits to be killed.
import { ControlPlaneConfig } from '@flotilla/control-plane/config';
import { startBroker } from '@flotilla/control-plane/link/broker/start-broker';
import { aTrust } from './credentials.js';

const { trust, dir } = await aTrust();
const config = ControlPlaneConfig.parse({ mqtt: { port: 0 } });
const broker = await startBroker({ config, trust, log: { info() {}, warn() {} } });
console.log(JSON.stringify({ port: Number(new URL(broker.url).port), pid: (broker as unknown as { pid(): number }).pid(), dir }));
