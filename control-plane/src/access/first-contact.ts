import type { Digest } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import { TrustService } from '../trust/trust.service.js';
import { PublicUrls } from './public-urls.js';

/** What a claim token tells a device beside its secret: where to go, and whose certificate to expect there. */
@Injectable()
export class FirstContact {
  constructor(
    @Inject(PublicUrls) private readonly urls: PublicUrls,
    @Inject(TrustService) private readonly trust: TrustService,
  ) {}

  pinned(): { server: string; ca: Digest } {
    return { server: this.urls.deviceApi(), ca: this.trust.caSha256() };
  }
}
