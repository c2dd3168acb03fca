import { fileURLToPath } from 'node:url';
import { keepInStep } from '../../http/keep-in-step.js';
import { slotOpenApi } from './document.js';

/** The checked-in description of a slot's API; the same path from src/ and from dist/. */
export const slotOpenApiFile = fileURLToPath(new URL('../../../../docs/slot-openapi.json', import.meta.url));

export const slotOpenApiText = () => `${JSON.stringify(slotOpenApi(), null, 2)}\n`;

/** `--check`: writes nothing and ends with 1 where the file is out of step. */
if (import.meta.main) await keepInStep(slotOpenApiFile, slotOpenApiText(), 'node agent/dist/runner/openapi/write.js');
