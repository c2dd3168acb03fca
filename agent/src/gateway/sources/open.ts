import type { SourceConfig } from '@flotilla/protocol/device';
import type { Source, SourceContext } from '../source.js';

/** What only one source needs is loaded with it. */
export async function openSource(config: SourceConfig, context: SourceContext): Promise<Source> {
  if ('mqtt' in config) return new (await import('./mqtt.js')).BrokerSource(config, context);
  if ('push' in config) return new (await import('./push.js')).PushedSource(config);
  if ('audio' in config) return (await import('./audio.js')).soundSource(config);
  if ('opcua' in config) return (await import('./opcua.js')).opcuaSource(config, context);
  if ('lines' in config) return new (await import('./lines.js')).LineStreamSource(config);
  if ('camera' in config) return (await import('./camera.js')).cameraSource(config);
  if ('video' in config) return (await import('./video.js')).videoSource(config);
  if ('directory' in config) return (await import('./directory.js')).directorySource(config);
  if ('recording' in config) return (await import('./recording.js')).recordingSource(config);
  throw new Error(`the slot "${context.slot}" has a source of a kind that this agent does not know`);
}
