"""What the examples are asked with, made of real photographs, rendered labels and a reader's voice.

    python make-inputs.py          (numpy 2, Pillow 12, opencv-python; SKIMAGE_DATA: the data folder of scikit-image 0.26.0,
                                    LIBRIVOX: /usr/share/pocketsphinx/test/data/librivox of Debian's pocketsphinx-testdata)

presence-detector/input/faces.mjpeg: a camera that moves along a wall with photographs: a rocket, NASA's portrait of Eileen Collins, a cat, and the portrait
twice more, smaller and mirrored. faces.json beside tells how many faces are wholly in sight in each frame.
label-reader/input/*.jpg: labels, rendered and then "photographed": laid on a picture of gravel or brick, seen at an angle, unevenly lit, a little out of focus, with the
noise of a sensor. labels.json beside has what is written on them.
speech-activity/input/reading.wav: two sentences of "Sense and Sensibility", read by a volunteer for LibriVox, with a quiet room before, between and after them.
speech.json beside has what is said from when to when, by the loudness of the recordings.
"""

import json
import os
import pathlib
import wave

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

here = pathlib.Path(__file__).parent
data = pathlib.Path(os.environ["SKIMAGE_DATA"])
random = np.random.default_rng(20)
photograph = lambda name: cv2.imread(str(data / name), cv2.IMREAD_COLOR)
jpeg = lambda picture, quality: cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

WIDTH, HEIGHT, FRAMES = 320, 240, 48
# Of the portrait, head and shoulders; and in that part the face: left, right.
BUST = (slice(0, 300), slice(64, 384))
FACE = (112, 208)


def scaled(picture, height):
    return cv2.resize(picture, (round(picture.shape[1] * height / picture.shape[0]), height), interpolation=cv2.INTER_AREA)


def wall():
    portrait = photograph("astronaut.png")[BUST]
    mirrored = cv2.flip(portrait, 1)
    parts = [(photograph("rocket.jpg"), 200, False), (portrait, 200, False), (photograph("chelsea.png"), 180, None),
             (portrait, 170, False), (mirrored, 170, True), (photograph("coffee.png"), 200, None)]
    total = 40 + sum(scaled(picture, height).shape[1] + 40 for picture, height, _ in parts)
    canvas = np.full((HEIGHT, total, 3), (196, 204, 208), np.uint8)
    left, faces = 40, []
    for picture, height, is_mirrored in parts:
        part = scaled(picture, height)
        top = (HEIGHT - height) // 2
        canvas[top : top + height, left : left + part.shape[1]] = part
        if picture is portrait or is_mirrored:
            x0, x1 = (value * height / portrait.shape[0] for value in FACE)
            if is_mirrored:
                x0, x1 = part.shape[1] - x1, part.shape[1] - x0
            faces.append((left + x0, left + x1))
        left += part.shape[1] + 40
    return canvas, faces


def video():
    canvas, faces = wall()
    frames, counts = [], []
    for i in range(FRAMES):
        left = round(i * (canvas.shape[1] - WIDTH) / (FRAMES - 1))
        seen = canvas[:, left : left + WIDTH].astype(np.float32)
        noisy = np.clip(seen + random.normal(0, 3, seen.shape), 0, 255).astype(np.uint8)
        frames.append(jpeg(noisy, 62))
        share = lambda x0, x1: (min(x1, left + WIDTH) - max(x0, left)) / (x1 - x0)
        # Of a face that the edge cuts nobody can say whether it must be found.
        counts.append({"whole": sum(share(*face) >= 1 for face in faces), "cut": sum(0 < share(*face) < 1 for face in faces)})
    folder = here / "presence-detector" / "input"
    (folder / "faces.mjpeg").write_bytes(b"".join(frames))
    (folder.parent / "faces.json").write_text(json.dumps(counts) + "\n")


LABELS = {
    "1-crate.jpg": (["HARBOUR TOOLS", "LOT 42-7731", "MADE 2026-03-14"], "gravel.png", -7),
    "2-pump.jpg": (["PUMP P-204", "SERIAL 90218", "230 V 50 HZ", "TEST BY 2027-01"], "brick.png", 11),
    "3-fragile.jpg": (["FRAGILE", "THIS SIDE UP", "ORDER 118540"], "gravel.png", 174),
}


def rendered(lines):
    face = ImageFont.truetype("DejaVuSans-Bold.ttf", 54)
    paper = Image.new("RGB", (640, 70 + 84 * len(lines)), (243, 240, 231))
    draw = ImageDraw.Draw(paper)
    draw.rectangle((8, 8, paper.width - 9, paper.height - 9), outline=(40, 40, 46), width=4)
    for i, line in enumerate(lines):
        draw.text((36, 34 + 84 * i), line, font=face, fill=(28, 28, 34))
    return cv2.cvtColor(np.asarray(paper), cv2.COLOR_RGB2BGR)


def photographed(paper, ground, degrees):
    table = cv2.resize(photograph(ground), (960, 720), interpolation=cv2.INTER_LINEAR) // 2 + 30
    h, w = paper.shape[:2]
    corners = np.float32([[0, 0], [w, 0], [w, h], [0, h]])
    turned = (corners - (w / 2, h / 2)) @ cv2.getRotationMatrix2D((0, 0), degrees, 1.05)[:, :2].T
    seen = np.float32(turned + (480, 360) + np.array([[10, 6], [-14, 12], [12, -8], [-6, -10]]))
    warp = cv2.getPerspectiveTransform(corners, seen)
    mask = cv2.warpPerspective(np.full((h, w), 255, np.uint8), warp, (960, 720), flags=cv2.INTER_LINEAR)[..., None] / 255
    laid = cv2.warpPerspective(paper, warp, (960, 720), flags=cv2.INTER_LINEAR)
    scene = table * (1 - mask) + laid * mask
    light = np.linspace(1.08, 0.72, 960)[None, :, None] * np.linspace(1.0, 0.9, 720)[:, None, None]
    blurred = cv2.GaussianBlur((scene * light).astype(np.float32), (0, 0), 1.1)
    return np.clip(blurred + random.normal(0, 5, blurred.shape), 0, 255).astype(np.uint8)


def labels():
    folder = here / "label-reader" / "input"
    for name, (lines, ground, degrees) in LABELS.items():
        (folder / name).write_bytes(jpeg(photographed(rendered(lines), ground, degrees), 70))
    (here / "label-reader" / "labels.json").write_text(json.dumps({name: lines for name, (lines, _, _) in LABELS.items()}, indent=1) + "\n")


RATE, BLOCK = 16_000, 320
SENTENCES = [("0880", "He was not an ill-disposed young man."), ("0930", "He might even have been made amiable himself.")]


def sentence(number):
    with wave.open(str(pathlib.Path(os.environ["LIBRIVOX"]) / f"sense_and_sensibility_01_austen_64kb-{number}.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    blocks = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK).astype(np.float64)
    loud = np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > 300)
    return samples, loud[0] * BLOCK, (loud[-1] + 1) * BLOCK


def speech():
    room = lambda seconds: np.random.default_rng(7).normal(0, 6, int(seconds * RATE)).astype(np.int16)
    parts, said, at = [room(0.7)], [], int(0.7 * RATE)
    for number, text in SENTENCES:
        samples, begins, ends = sentence(number)
        said.append({"said": text, "from": round((at + begins) / RATE, 2), "to": round((at + ends) / RATE, 2)})
        parts += [samples, room(0.7)]
        at += len(samples) + int(0.7 * RATE)
    folder = here / "speech-activity"
    with wave.open(str(folder / "input" / "reading.wav"), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
        file.writeframes(np.concatenate(parts).tobytes())
    (folder / "speech.json").write_text(json.dumps(said, indent=1) + "\n")


video()
labels()
speech()
