import { setFlagsFromString } from 'node:v8';

// Node waits at its end for what its helpers compile, and these wait for a collection by the thread that ends (nodejs/node#54918):
// of programs that ended a moment after their start, on a busy machine, one in thirteen never did.
setFlagsFromString('--no-concurrent-sparkplug');
