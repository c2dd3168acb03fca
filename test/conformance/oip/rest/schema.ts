import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { Violation } from '../check.js';
import { specificationFile } from '../specification.js';

const { components } = parse(readFileSync(specificationFile('open_inference_rest.yaml'), 'utf8')) as {
  components: { schemas: Record<string, object> };
};

// OpenAPI keeps its schemas under "components"; references in them are pointers into the whole document.
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema({ $id: 'oip', components });

/** The shape that the protocol's own OpenAPI document gives for a body. */
export function conforms(schema: string, body: unknown): void {
  const validate = ajv.getSchema(`oip#/components/schemas/${schema}`);
  if (!validate) throw new Error(`the OpenAPI document has no schema ${schema}`);
  if (!validate(body)) throw new Violation(`the body is no ${schema}: ${ajv.errorsText(validate.errors, { dataVar: 'body' })}`);
}
