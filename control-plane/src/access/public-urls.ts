import { hostname } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import type { ControlPlaneConfig } from '../config.js';
import { CONFIG } from '../platform/tokens.js';

/** How devices reach this control plane: what claim tokens and enrolment answers tell them. */
@Injectable()
export class PublicUrls {
  #deviceApiPort: number;

  constructor(@Inject(CONFIG) private readonly config: Pick<ControlPlaneConfig, 'deviceApi'>) {
    this.#deviceApiPort = config.deviceApi.port;
  }

  /** Port 0 asks for any free one: which, is known once it listens. */
  deviceApiListens(port: number): void {
    this.#deviceApiPort = port;
  }

  deviceApi(): string {
    const { host, publicUrl } = this.config.deviceApi;
    return publicUrl ?? `https://${reachable(host)}:${this.#deviceApiPort}`;
  }
}

function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return hostname();
  return host.includes(':') ? `[${host}]` : host;
}
