"""Sound inputs of every format, made by code: what is changed afterwards."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from benchmarks.fuzz.hostile import hostile_archives

HEIGHT, WIDTH = 40, 50
CROP_PX = 12


def noise(*shape: int, dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    """Reproducible random pixels over the dtype's whole range."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def tiff(pixels: NDArray[Any], **options: Any) -> bytes:
    """Bytes of a TIFF, without tifffile's own metadata unless asked for."""
    buffer = io.BytesIO()
    if not (options.get("ome") or options.get("imagej")):
        options.setdefault("metadata", None)
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def pillow(pixels: NDArray[Any] | Image.Image, form: str, **options: Any) -> bytes:
    """Bytes of a PNG or JPEG."""
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, form, **options)
    return buffer.getvalue()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Bytes of an archive with a fixed date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, method)
    return buffer.getvalue()


@cache
def tiff_seeds() -> Sequence[bytes]:
    """TIFF as microscopes, ImageJ and Pillow write it, and two kinds that are refused."""
    grey8, grey16 = noise(HEIGHT, WIDTH), noise(HEIGHT, WIDTH, dtype="uint16")
    colour, three16 = noise(HEIGHT, WIDTH, 3), noise(3, HEIGHT, WIDTH, dtype="uint16")
    ome = {"axes": "CYX", "Channel": {"Name": ["DAPI", "Cy3", "FITC"]}, "PhysicalSizeX": 0.1}
    imagej = {"axes": "CYX", "unit": "um", "Labels": ["DAPI", "Cy3", "FITC"]}
    grey = {"photometric": "minisblack"}
    return (
        tiff(grey8),
        tiff(grey16, byteorder=">"),
        tiff(grey16, compression="lzw", predictor=True),
        tiff(grey8, compression="zlib", rowsperstrip=7),
        tiff(grey16, tile=(16, 16), compression="packbits"),
        tiff(grey16, tile=(16, 16), compression="zstd"),
        tiff(grey8, compression="jpeg"),
        tiff(grey8, photometric="miniswhite"),
        tiff(colour, photometric="rgb"),
        tiff(np.moveaxis(colour, -1, 0), photometric="rgb", planarconfig="separate"),
        tiff(noise(HEIGHT, WIDTH, 4), photometric="rgb", extrasamples=["unassalpha"]),
        tiff(three16, **grey),
        tiff(three16, compression="zlib", rowsperstrip=8, bigtiff=True, **grey),
        tiff(grey8, bigtiff=True, byteorder=">"),
        tiff(three16, ome=True, metadata=ome, **grey),
        tiff(three16, imagej=True, metadata=imagej, resolution=(10.0, 10.0)),
        pillow(grey8, "TIFF", compression="tiff_lzw"),
        tiff(grey16, resolution=(100_000.0, 100_000.0), resolutionunit="CENTIMETER"),
    )


@cache
def png_seeds() -> Sequence[bytes]:
    """PNG of every kind that is read, and some that are refused."""
    grey8, colour = noise(HEIGHT, WIDTH), noise(HEIGHT, WIDTH, 3)
    frames = [Image.fromarray(noise(HEIGHT, WIDTH, seed=seed)) for seed in (1, 2)]
    return (
        pillow(grey8, "PNG"),
        pillow(noise(HEIGHT, WIDTH, dtype="uint16"), "PNG"),
        pillow(colour, "PNG", dpi=(300, 300)),
        pillow(noise(HEIGHT, WIDTH, 4), "PNG"),
        pillow(Image.fromarray(colour).convert("P"), "PNG"),
        pillow(Image.fromarray(grey8).convert("1"), "PNG"),
        pillow(Image.fromarray(grey8).convert("LA"), "PNG"),
        pillow(frames[0], "PNG", save_all=True, append_images=frames[1:]),
    )


@cache
def jpeg_seeds() -> Sequence[bytes]:
    """JPEG: grey, colour, progressive, with EXIF, and one that is refused."""
    colour = noise(HEIGHT, WIDTH, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    return (
        pillow(noise(HEIGHT, WIDTH), "JPEG"),
        pillow(colour, "JPEG"),
        pillow(colour, "JPEG", progressive=True),
        pillow(colour, "JPEG", exif=exif.tobytes(), subsampling="4:2:0"),
        pillow(Image.fromarray(colour).convert("CMYK"), "JPEG"),
    )


@cache
def zip_seeds() -> Sequence[bytes]:
    """Archives of pictures, in folders and not, and hostile ones."""
    pictures = {"a.tif": tiff_seeds()[0], "s/b.png": png_seeds()[1], "s/c.jpg": jpeg_seeds()[1]}
    channels = {f"m_{letter}.tif": tiff_seeds()[1] for letter in "DOG"}
    return (
        zipped(pictures),
        zipped(pictures, zipfile.ZIP_STORED),
        zipped(channels | {"s/": b"", "__MACOSX/._a": b"x"}),
        *hostile_archives(pictures),
    )


@cache
def dataset_seeds() -> Sequence[bytes]:
    """Labelled pictures of chromosomes: by folders, by a manifest, and inside one folder."""
    names = [f"{split}/{label}/slide-{split}/{index}.png" for split in ("train", "val", "test")
             for label in ("normal", "aberration") for index in range(2)]  # fmt: skip
    crops = {name: pillow(noise(CROP_PX, CROP_PX, 4, seed=seed), "PNG") for seed, name in enumerate(names)}
    flat = {name.replace("/", "_"): content for name, content in crops.items()}
    manifest = manifest_seeds()[0]
    return (
        zipped(crops),
        zipped({f"all/{name}": content for name, content in crops.items()} | {"all/notes.txt": b"hello"}),
        zipped({"manifest.csv": manifest} | flat),
        zipped({"x/manifest.csv": manifest} | {f"x/{name}": content for name, content in flat.items()}),
    )


@cache
def manifest_seeds() -> Sequence[bytes]:
    """manifest.csv with commas and with semicolons."""
    rows = [
        f"{split}_{label}_slide-{split}_{index}.png,{label},{split},slide-{split},"
        for split in ("train", "val", "test")
        for label in ("normal", "aberration")
        for index in range(2)
    ]
    text = "\n".join(["file,class,split,group,chromosome", *rows, ""])
    return (text.encode(), text.replace(",", ";").encode("utf-8-sig"))


@cache
def mask_seeds() -> Sequence[bytes]:
    """Label images as Cellpose, Fiji and this service write them."""
    labels = (noise(HEIGHT, WIDTH) // 64).astype(np.uint16)
    return (
        tiff(labels, compression="zlib"),
        tiff(np.stack([labels, labels]).astype(np.uint32), photometric="minisblack"),
        tiff(labels.astype(np.int32)),
        pillow(labels.astype(np.uint8), "PNG"),
    )


@cache
def rule_seeds() -> Sequence[bytes]:
    """The `channels` field of an upload."""
    return tuple(
        json.dumps(rule).encode()
        for rule in (
            {"dapi": "*_D.tif", "red": "*_O.tif", "green": "*_G.tif"},
            {"dapi": "s/*D.tif"},
            {"red": 0, "green": 1, "dapi": 2},
        )
    )
