import type { z } from 'zod';
import type { Operation } from '../../http/openapi.js';
import {
  Acknowledged,
  ConfigurationView,
  GatewayHealth,
  GatewayResult,
  InspectionCommand,
  InspectionView,
  OutputViews,
  PushAnswer,
  SlotView,
  SlotViews,
} from '../api/schemas.js';

const json = (schema: z.ZodType) => ({ 'application/json': schema });
const slot = (rest: string) => `/v1/slots/{slot}${rest}`;
const bytes = (...types: string[]) => Object.fromEntries(types.map((type) => [type, 'bytes' as const]));

/** What the gateway answers to; a test holds this list against the routes. */
export const operations: readonly Operation[] = [
  { id: 'health', method: 'get', path: '/healthz', summary: 'Alive', gives: json(GatewayHealth) },
  { id: 'metrics', method: 'get', path: '/metrics', summary: 'Figures for Prometheus', gives: { 'text/plain': 'text' } },
  { id: 'openApi', method: 'get', path: '/openapi.json', summary: 'This description', gives: { 'application/json': 'text' } },
  { id: 'slots', method: 'get', path: '/v1/slots', summary: 'Each slot’s source, trigger and counts', gives: json(SlotViews) },
  {
    id: 'configuration',
    method: 'get',
    path: '/v1/configuration',
    summary: 'What is in force, and where each part came from',
    gives: json(ConfigurationView),
  },
  {
    id: 'outputs',
    method: 'get',
    path: '/v1/outputs',
    summary: 'Where results go, and whether they get there',
    gives: json(OutputViews),
  },
  { id: 'slot', method: 'get', path: slot(''), summary: 'One slot’s', gives: json(SlotView), refusals: [404] },
  {
    id: 'latestResult',
    method: 'get',
    path: slot('/result'),
    summary: 'The latest result; look at its quality',
    gives: json(GatewayResult),
    refusals: [404],
  },
  {
    id: 'streamResults',
    method: 'get',
    path: slot('/results/stream'),
    summary: 'Every result as it is made, and each change of its quality, as Server-Sent Events; no change of the model ends it',
    gives: { 'text/event-stream': 'text' },
    refusals: [404, 429],
  },
  {
    id: 'latestPicture',
    method: 'get',
    path: slot('/picture'),
    summary: 'The picture of the latest result; the header `flotilla-sequence` says of which',
    gives: bytes('image/jpeg', 'image/png', 'image/webp'),
    refusals: [404],
  },
  {
    id: 'push',
    method: 'post',
    path: slot('/push'),
    summary: 'An input for a slot whose source is `push`, answered when it is inferred',
    takes: bytes('image/jpeg', 'image/png', 'image/webp', 'audio/wav', 'application/json'),
    gives: json(PushAnswer),
    also: [409, 422, 503],
    refusals: [400, 404, 413, 415, 429],
  },
  {
    id: 'inspect',
    method: 'post',
    path: slot('/inspections'),
    summary: 'The trigger: one capture from now on, whose result repeats the id',
    takes: json(InspectionCommand),
    mayBeEmpty: true,
    gives: json(InspectionView),
    also: [202, 504],
    refusals: [400, 403, 404, 409, 413, 415],
  },
  {
    id: 'inspection',
    method: 'get',
    path: slot('/inspections/{id}'),
    summary: 'One of the last 256 inspections',
    gives: json(InspectionView),
    refusals: [404, 409],
  },
  {
    id: 'acknowledge',
    method: 'post',
    path: slot('/inspections/{id}/acknowledge'),
    summary: 'The result was taken: the next command may come',
    gives: json(Acknowledged),
    refusals: [404, 409],
  },
];
