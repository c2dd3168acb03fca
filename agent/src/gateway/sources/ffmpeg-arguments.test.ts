import { CameraSource, VideoSource } from '@flotilla/protocol/device';
import { describe, expect, test } from 'vitest';
import { cameraArguments, isLive, learnsItIsOld, videoArguments } from './ffmpeg-arguments.js';

const camera = (config: object) => cameraArguments(CameraSource.parse({ camera: '/dev/video0', ...config })).join(' ');
const video = (config: { video: string; transport?: string; pace?: string; width?: number }) =>
  videoArguments(VideoSource.parse(config), config.video).join(' ');

describe('what ffmpeg is asked for', () => {
  test('a camera as it comes, in the form that it is told, or as its own JPEGs', () => {
    expect(camera({})).toMatch(/-f v4l2 -i \/dev\/video0 -map 0:v:0 .*-pix_fmt rgb24 -c:v ppm -f image2pipe pipe:1$/);
    const asked = camera({ width: 640, height: 480, framesPerSecond: 10, inputFormat: 'yuyv422' });
    expect(asked).toContain('-f v4l2 -input_format yuyv422 -framerate 10 -video_size 640x480 -i /dev/video0');
    expect(asked).toContain("select='isnan(prev_selected_t)+not(eq(floor(t*10+0.001),floor(prev_selected_t*10+0.001)))'");
    expect(camera({ inputFormat: 'mjpeg' })).toMatch(
      /-input_format mjpeg -i \/dev\/video0 -map 0:v:0 -c:v copy -f image2pipe pipe:1$/,
    );
  });

  test('a network camera at once and by the transport that is asked for; a file at its own speed or as fast as it is read', () => {
    expect(video({ video: 'rtsp://cam/1' })).toContain('-flags low_delay -rtsp_transport tcp -i rtsp://cam/1');
    expect(video({ video: 'rtsp://cam/1', transport: 'udp' })).toContain('-rtsp_transport udp');
    expect(video({ video: '/clip.mp4' })).toContain('-re -i file:/clip.mp4');
    expect(video({ video: '/clip.mp4', pace: 'every' })).not.toContain('-re');
    expect(video({ video: '/clip.mp4', width: 320 })).toContain('-vf scale=320:-1');
  });

  test.each([
    ['rtsp://cam/stream.mp4', true],
    ['http://cam/video?x=1', true],
    ['http://server/clip.mp4?x=1', false],
    ['/clip.mp4', false],
  ])('%s is live: %s', (url, live) => expect(isLive(url)).toBe(live));

  test('of one from before 5.1 in its own words, once it has complained', () => {
    expect(camera({})).toContain('-fps_mode passthrough');
    expect(learnsItIsOld('Connection refused')).toBe(false);
    expect(learnsItIsOld("Unrecognized option 'fps_mode'.")).toBe(true);
    expect(learnsItIsOld("Unrecognized option 'fps_mode'.")).toBe(false);
    expect(camera({})).toContain('-vsync passthrough');
  });
});
