import { type DynamicModule, Module } from '@nestjs/common';
import { TrustService } from './trust.service.js';

@Module({})
export class TrustModule {
  /** The service is opened by the composition root, which also gives it to the broker and the device API. */
  static forRoot(trust: TrustService): DynamicModule {
    const provider = { provide: TrustService, useValue: trust };
    return { module: TrustModule, global: true, providers: [provider], exports: [TrustService] };
  }
}
