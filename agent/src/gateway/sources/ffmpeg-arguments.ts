import type { CameraSource, VideoSource } from '@flotilla/protocol/device';

/** A camera that makes JPEG itself is passed through: what the runner has no time for is never decoded. */
export const isPassedThrough = ({ inputFormat }: CameraSource) => inputFormat === 'mjpeg';

export function cameraArguments(config: CameraSource): string[] {
  const { camera, width, height, framesPerSecond, inputFormat } = config;
  const input = [
    ...option('-input_format', inputFormat),
    ...option('-framerate', framesPerSecond),
    ...(width && height ? ['-video_size', `${width}x${height}`] : []),
  ];
  const output = isPassedThrough(config) ? jpegs : pictures(filters({ framesPerSecond }));
  return [...atOnce, '-f', 'v4l2', ...input, '-i', camera, ...output];
}

/** `url`: with its password, where it has one. */
export function videoArguments(config: VideoSource, url: string): string[] {
  const live = isLive(config.video);
  const input = [
    ...(live ? atOnce : []),
    ...(/^rtsps?:/.test(url) ? ['-rtsp_transport', config.transport] : []),
    ...(!live && config.pace === 'own' ? ['-re'] : []),
  ];
  return [...decoding, ...input, '-i', isUrl(url) ? url : `file:${url}`, ...pictures(filters(config))];
}

export const isUrl = (video: string) => /^[a-z][a-z\d+.-]*:\/\//i.test(video);

/** Goes on whether anybody looks or not. What lies somewhere has a beginning and an end, on this device or on a server. */
export function isLive(video: string): boolean {
  if (!isUrl(video)) return false;
  return !(
    /^(https?|file|s?ftp):/i.test(video) && /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|ogv|wmv)$/i.test(video.replace(/[?#].*$/, ''))
  );
}

/** ffmpeg before 5.1 (Ubuntu 22.04, JetPack 6) has no `-fps_mode`, and one to come will have no `-vsync`. */
let hasFpsMode = true;
const syncing = () => (hasFpsMode ? '-fps_mode' : '-vsync');
/** True once, for the complaint of such an old one: then the same goes again in its words. */
export function learnsItIsOld(complaint: string): boolean {
  if (!hasFpsMode || !/fps_mode/.test(complaint)) return false;
  hasFpsMode = false;
  return true;
}

/** A decoder that works on several frames at once is late by as many; and the cores are the models'. */
const decoding = ['-threads', '2'];
/** No waiting to sort frames. (`-fflags nobuffer` would lose what was read to find out what comes: of a short stream all.) */
const atOnce = ['-flags', 'low_delay'];

/** Each with its size in front. `-an`: sound is not decoded. */
const onlyTheVideo = ['-map', '0:v:0', '-an', '-sn', '-dn'];
const pictures = (filter: string[]) => {
  const encoding = ['-pix_fmt', 'rgb24', '-c:v', 'ppm', '-f', 'image2pipe', 'pipe:1'];
  return [...onlyTheVideo, ...filter, '-filter_threads', '1', syncing(), 'passthrough', ...encoding];
};

const jpegs = ['-map', '0:v:0', '-c:v', 'copy', '-f', 'image2pipe', 'pipe:1'];

function filters({
  width,
  height,
  framesPerSecond,
}: {
  width?: number | undefined;
  height?: number | undefined;
  framesPerSecond?: number | undefined;
}): string[] {
  const all = [
    ...(framesPerSecond ? [`select='${inAnotherSpan(framesPerSecond)}'`] : []),
    // -1: as the other side says.
    ...(width || height ? [`scale=${width ?? -1}:${height ?? -1}`] : []),
  ];
  return all.length > 0 ? ['-vf', all.join(',')] : [];
}

/** The first frame of each 1/n of a second. `fps` would double frames where fewer come, and a plain distance leaves out too many. */
const inAnotherSpan = (perSecond: number) =>
  `isnan(prev_selected_t)+not(eq(floor(t*${perSecond}+0.001),floor(prev_selected_t*${perSecond}+0.001)))`;

const option = (name: string, value: string | number | undefined) => (value === undefined ? [] : [name, String(value)]);
