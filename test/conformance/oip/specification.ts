import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';

/** A document of the protocol's own, from the sources and from dist alike. */
export const specificationFile = (name: string) => join(dirname(findPackageJSON(import.meta.url)!), 'conformance/oip/spec', name);
