import { setFlagsFromString } from 'node:v8';

// A machine with much memory would else be taken for one that has it to spare: garbage of a busy minute stays for hours.
// (The size of the nursery can't be changed any more once the program runs.)
setFlagsFromString('--heap-growing-percent=40');
