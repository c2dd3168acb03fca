import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import '@flotilla/protocol/sure-exit';

// A machine with much memory would else be taken for one that has it to spare: garbage of a busy minute stays for hours.
setFlagsFromString('--heap-growing-percent=40');

// Little outlives a collection of new objects: helpers would take more of the processor to agree on who does what than the work itself.
setFlagsFromString('--no-parallel-scavenge');

/** Of the space for new objects, which would grow to 128 MB and stay so. */
const nurseryBytes = 16 * 1024 * 1024;

/** V8 reads the limit of that space only when it starts, but each time that it grows how far it may. */
setInterval(() => {
  const nursery = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  const factor = nursery && nursery.space_size >= nurseryBytes ? 1 : 2;
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}, 200).unref();
