import { readFile, writeFile } from 'node:fs/promises';

/** A checked-in file that is made from code: written where it has changed; with `--check` the program ends with 1 there instead. */
export async function keepInStep(file: string, text: string, command: string): Promise<void> {
  const inStep = text === (await readFile(file, 'utf8').catch(() => ''));
  if (process.argv.includes('--check')) {
    process.exitCode = inStep ? 0 : 1;
    console.log(inStep ? 'in step' : `${file} is out of step: ${command}`);
  } else if (!inStep) await writeFile(file, text);
}
