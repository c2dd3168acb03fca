import { openApi } from '../../http/openapi.js';
import { Prediction } from '../../prediction.js';
import { agentVersion } from '../../version.js';
import {
  Acknowledged,
  ConfigurationView,
  GatewayError,
  GatewayHealth,
  GatewayResult,
  InspectionCommand,
  InspectionView,
  OutputViews,
  PushAnswer,
  SlotView,
  SlotViews,
} from '../api/schemas.js';
import { operations } from './operations.js';

/** What has a name in the document; everything else is written out where it stands. */
const named = {
  Health: GatewayHealth,
  SlotList: SlotViews,
  Slot: SlotView,
  Result: GatewayResult,
  Prediction,
  OutputList: OutputViews,
  Configuration: ConfigurationView,
  PushAnswer,
  InspectionCommand,
  Inspection: InspectionView,
  Acknowledged,
  Error: GatewayError,
};

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  202: 'Taken; the result is not there yet (`"wait": false`)',
  400: 'The request is wrong; the sentence says how',
  401: 'Neither a token nor a client certificate that this address takes',
  403: 'This trigger takes no commands by HTTP',
  404: 'No such slot or inspection, or nothing there yet',
  409: 'Not now, or not as this slot is configured; the sentence says why',
  413: 'Too large',
  415: 'Not of a type that is taken',
  422: 'The release can make nothing of it',
  429: 'Too much at once; come again after `retry-after` seconds',
  503: 'Nothing took it in time; come again after `retry-after` seconds',
  504: 'There was no result in time; the reason is in the inspection',
};
const parameters = { slot: 'The slot’s name.', id: 'The inspection’s id, as the command gave it.' };

/** The gateway's API as OpenAPI 3.1. The same on every device. */
export const gatewayOpenApi = (): Record<string, unknown> =>
  openApi({
    info: {
      title: 'Flotilla gateway',
      version: agentVersion(),
      description:
        'What a device’s gateway answers: sources, results, pushed inputs and the trigger of every slot, through changes of models.',
    },
    operations,
    named,
    error: GatewayError,
    reasons,
    parameters,
    everywhere: ({ path }) => (path === '/healthz' ? [] : [401]),
  });
