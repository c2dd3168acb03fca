/** Deaths of a deployment's runners, until the window of the runner that came after tells them, once. */
export class UntoldDeaths {
  #deployment = '';
  #count = 0;

  add(deployment: string): void {
    this.#count = this.#deployment === deployment ? this.#count + 1 : 1;
    this.#deployment = deployment;
  }

  tell(deployment: string): { restarts?: number } {
    const restarts = this.#count;
    if (restarts === 0 || this.#deployment !== deployment) return {};
    this.#count = 0;
    return { restarts };
  }
}
