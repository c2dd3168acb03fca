import { z } from 'zod';

// Imported before any schema is made: zod compiles to code those made earlier. Compiled schemas are faster, and larger than what a device
// wants to hold of them.
z.config({ jitless: true });
