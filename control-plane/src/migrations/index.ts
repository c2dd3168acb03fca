import { AddConfigurations1795740709749 } from './1795740709749-add-configurations.js';
import { Initial1795359287598 } from './1795359287598-initial.js';

/** In the order in which they run. */
export const migrations = [Initial1795359287598, AddConfigurations1795740709749];
