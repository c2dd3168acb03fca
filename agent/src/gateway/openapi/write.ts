import { fileURLToPath } from 'node:url';
import { keepInStep } from '../../http/keep-in-step.js';
import { gatewayOpenApi } from './document.js';

/** The checked-in description of the gateway's API; the same path from src/ and from dist/. */
export const gatewayOpenApiFile = fileURLToPath(new URL('../../../../docs/gateway-openapi.json', import.meta.url));

export const gatewayOpenApiText = () => `${JSON.stringify(gatewayOpenApi(), null, 2)}\n`;

/** `--check`: writes nothing and ends with 1 where the file is out of step. */
if (import.meta.main) await keepInStep(gatewayOpenApiFile, gatewayOpenApiText(), 'node agent/dist/gateway/openapi/write.js');
