import type { Operation } from '../../http/openapi.js';

/** Each path of a model is there twice: the running release's version may be named. */
export const ofModel = (rest: string, operation: Omit<Operation, 'path'>): Operation[] =>
  ['', '/versions/{version}'].map((version) => ({
    ...operation,
    id: version ? `${operation.id}OfVersion` : operation.id,
    path: `/v2/models/{model}${version}${rest}`,
  }));
