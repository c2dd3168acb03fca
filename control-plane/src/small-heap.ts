import { setFlagsFromString } from 'node:v8';

// A machine with much memory would else be taken for one that has it to spare: garbage of a busy minute stays for hours.
for (const flag of ['--max-semi-space-size=8', '--heap-growing-percent=40']) setFlagsFromString(flag);
