import { resolve, sep } from 'node:path';
import { readPipeline, type SlotPipeline } from '@flotilla/protocol/device';
import type { AgentConfig } from '../config.js';
import type { Judge } from '../core/gateway-configuration.js';
import { pathsIn, pipelineFrom } from '../source-paths.js';
import { outputComplaint } from './remote-outputs.js';

type Rules = Pick<AgentConfig, 'folder' | 'data' | 'remoteConfiguration'>;

/**
 * What the control plane may have this device do. A stolen one must not read, send away or delete files that nobody meant to
 * open to it, reach a program through the name of a device, nor open the device to its network or send to others what it sees.
 */
export const judgeBy =
  (rules: Rules): Judge =>
  (_slot, written) => {
    const read = readPipeline(written);
    if ('unreadable' in read) return { refused: read.unreadable };
    const pipeline = pipelineFrom(rules.folder, read.pipeline);
    const { outputs } = rules.remoteConfiguration;
    const complaint = deviceComplaint(pipeline) ?? fileComplaint(pipeline, rules) ?? outputComplaint(pipeline.outputs, outputs);
    return complaint === undefined ? { pipeline } : { refused: complaint };
  };

const isWithin = (folder: string, path: string) => path === folder || path.startsWith(folder === sep ? sep : folder + sep);

function fileComplaint(pipeline: SlotPipeline, { data, remoteConfiguration: { folders } }: Rules): string | undefined {
  for (const path of pathsIn(pipeline)) {
    if (isWithin(data, path)) return `it names ${path}, which lies in the agent's own data folder`;
    if (!folders.some((folder) => isWithin(folder, path)))
      return `it names ${path}, which lies in no folder that agent.yaml opens to the control plane (remoteConfiguration: { folders: [...] })`;
  }
  return undefined;
}

/** ffmpeg and ALSA take more for an address than is meant here: files, pipes, programs. */
const videoUrl = /^(rtsps?|rtp|udp|tcp|srt|https?):\/\//i;
const anyUrl = /^[a-z][a-z0-9+.-]+:\/\//i;
const alsaName = /^(default|pulse|pipewire|(hw|plughw|sysdefault|dsnoop)(:[A-Za-z0-9_=,]+)?)$/;

function deviceComplaint({ source }: SlotPipeline): string | undefined {
  if (!source) return undefined;
  if ('camera' in source) return underDev('camera', source.camera);
  if ('lines' in source && 'serial' in source.lines) return underDev('serial line', source.lines.serial);
  if ('video' in source && anyUrl.test(source.video) && !videoUrl.test(source.video))
    return `it names ${source.video}: the control plane may name rtsp, rtsps, rtp, udp, tcp, srt, http and https addresses`;
  if ('audio' in source && source.kind === 'alsa' && !alsaName.test(source.audio))
    return `it names the ALSA device ${source.audio}: the control plane may name default, hw:…, plughw:…, sysdefault:… and dsnoop:…`;
  return undefined;
}

const underDev = (what: string, path: string) =>
  isWithin('/dev', resolve('/', path)) ? undefined : `it names ${path} as a ${what}, which lies outside of /dev`;
