"""Trees of files that tests make and compare."""

import hashlib
import os
import signal
import struct
import subprocess
from pathlib import Path

import numpy as np
from compass import crooked
from pictures import encoded
from PIL import Image

from rotnet.images.orientation import apply_orientation


def save(path, angle=30.0):
    """A picture turned by so many degrees, in the format of its name."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = crooked(angle)
    path.write_bytes(encoded(picture, "JPEG", quality=95) if path.suffix.lower() == ".jpg" else encoded(picture))


def raw(angle, orientation=1):
    """What matters of a raw photograph: a TIFF with an orientation, a small and a large preview, and sensor data."""
    pixels = apply_orientation(crooked(angle, 240, 320), {6: 8, 8: 6}.get(orientation, orientation))
    small = encoded(Image.fromarray(crooked(0.0)), "JPEG")
    large = encoded(Image.fromarray(np.ascontiguousarray(pixels)), "JPEG", quality=95)
    head = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 1, orientation) + bytes(4)
    return head + small + bytes(range(256)) * 40 + large + b"\xff\xd8\xff\xc3" + bytes(1000)


def bring(path, angle=30.0):
    """As `save`, into a folder that is watched: there all at once, however busy the machine is."""
    path, beside = Path(path), Path(f"coming{Path(path).suffix}")
    save(beside, angle)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(beside, path)


def save_flat(path):
    """A picture that has no up."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20), "gray").save(path)


def everything(folder):
    """Digest by path of all regular files below a folder."""
    files = (os.path.join(root, name) for root, _, names in os.walk(folder) for name in names)
    return {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in files if os.path.isfile(path)}


def make_traps(folder):
    """Files of a picture's name that are none, beside one that is."""
    os.makedirs(folder, exist_ok=True)
    save(f"{folder}/whole.jpg")
    data = Path(folder, "whole.jpg").read_bytes()
    Path(folder, "cut.jpg").write_bytes(data[: len(data) // 2])
    Path(folder, "empty.jpg").touch()
    Path(folder, "text.jpg").write_text("Dear diary")
    os.symlink("nowhere", f"{folder}/link.jpg")
    os.symlink("circle.jpg", f"{folder}/circle.jpg")
    os.mkfifo(f"{folder}/pipe.jpg")
    save(f"{folder}/folder.jpg/inner.png")
    return {"cut.jpg", "empty.jpg", "text.jpg", "link.jpg", "circle.jpg", "pipe.jpg"}


def start(command):
    """A process with its output in pipes that can be interrupted, even if the tests run where they cannot."""
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
