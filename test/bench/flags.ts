/** `--name value`, and `--json` alone. */
export class Flags {
  constructor(private readonly given: readonly string[]) {}

  has(name: string): boolean {
    return this.given.includes(`--${name}`);
  }

  value(name: string): string | undefined {
    const at = this.given.indexOf(`--${name}`);
    if (at < 0) return undefined;
    const value = this.given[at + 1];
    if (value === undefined || value.startsWith('--')) throw new Error(`--${name} needs a value`);
    return value;
  }

  count(name: string, otherwise: number): number {
    const given = this.value(name);
    if (given === undefined) return otherwise;
    if (!/^[1-9]\d*$/.test(given)) throw new Error(`--${name} is "${given}", expected a whole number above 0`);
    return Number(given);
  }

  list(name: string): string[] {
    return this.value(name)?.split(',') ?? [];
  }
}
