"""Pictures in and out: any file to a float32 tensor (1, 3, H, W), RGB, [0, 1], and back."""

from __future__ import annotations

import io
import warnings
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torch.nn import functional as F

from dreamscope import archives
from dreamscope.errors import DreamscopeError, did_you_mean
from dreamscope.files import existing_file, package_file, written_whole
from dreamscope.images import dicom, gray_levels
from dreamscope.images.size import LARGEST_AREA as LARGEST_AREA
from dreamscope.images.size import SMALLEST_SIDE as SMALLEST_SIDE
from dreamscope.images.size import Size as Size
from dreamscope.images.size import ensure_size

SAMPLES = ("china", "flower")
"""Photos that scikit-learn ships, read as ``sample:NAME``."""

_NOTE_KEY = "dreamscope"
_EXIF_DESCRIPTION = 0x010E
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


Picture = str | Path | Image.Image | np.ndarray[Any, Any] | Tensor
"""What `read` takes."""

Pictures = Picture | Sequence[Picture]
"""One picture, or several of one size."""


def read(source: Picture, *, side: int = 0) -> Tensor:
    """Read a picture.

    Parameters
    ----------
    source
        A file, also one in an archive (see `dreamscope.archives`), ``sample:china`` or ``sample:flower``, a PIL image,
        an array (H, W, 3), (H, W, 1) or (H, W) of uint8, uint16 or floats in [0, 1], or a tensor that already is an
        image.
    side
        A shorter side in pixels that it will be made smaller to: a JPEG file is then decoded at a half, a quarter or an
        eighth of its size, which takes as much less time, as long as that leaves twice as many. 0 for all of it.

    Returns
    -------
    Tensor
        float32 (1, 3, H, W), RGB (sRGB), [0, 1]. The EXIF orientation is applied, an embedded colour
        profile converted to sRGB, alpha laid over white, gray of 16 bits scaled by 65535 or as the file says, see
        `dreamscope.images.gray_levels`; colours of 16 bits are read as 8. DICOM as a viewer shows it at first, see
        `dreamscope.images.dicom`.

    Raises
    ------
    DreamscopeError
        If the file is missing, empty, cut short, not a picture, smaller than 8x8 or larger than
        100 megapixels, or if a tensor is not an image.
    """
    if isinstance(source, Tensor):
        return check(source)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _to_tensor(source, "the picture")
    if str(source).startswith("sample:"):
        return _read_file(sample_file(str(source)))
    return _read_file(Path(source), side)


def read_all(source: Pictures) -> Tensor:
    """Read one picture, or several of one size as (N, 3, H, W); what each may be, see `read`.

    Raises
    ------
    DreamscopeError
        If there are none, if their sizes differ, or if one of them can't be read.
    """
    if isinstance(source, str | Path | Image.Image | np.ndarray | Tensor):
        return read(source)
    found = [read(each) for each in source]
    if not found:
        raise DreamscopeError("no pictures; give one, or several of one size")
    sizes = dict.fromkeys(str(size_of(each)) for each in found)
    if len(sizes) > 1:
        raise DreamscopeError(f"several pictures have one size, not {' and '.join(sizes)}; resize them first")
    return torch.cat([each.to(found[0].device) for each in found])


def check(image: Tensor) -> Tensor:
    """Return `image` if it is one: float (N, 3, H, W) with finite values in [0, 1]; else raise."""
    shape = tuple(image.shape)
    if image.dim() != 4 or shape[1] != 3 or not image.is_floating_point():
        raise DreamscopeError(
            f"an image is a float tensor (N, 3, H, W), not {str(image.dtype).removeprefix('torch.')} {shape}"
        )
    ensure_size(shape[3], shape[2], "the picture")
    # Cheaper than isfinite: a NaN makes both comparisons false.
    if not bool((image.min() >= 0) & (image.max() <= 1)):
        raise DreamscopeError(f"an image lies in [0, 1], not [{image.min():.4g}, {image.max():.4g}]; divide by 255?")
    return image.detach().float()


def fit_to(image: Tensor, longer: int) -> Size:
    """Return the size with the longer side `longer` and the proportions of (N, C, H, W)."""
    return size_of(image).with_longer(longer)


def resize(image: Tensor, size: Size) -> Tensor:
    """Resample (N, C, H, W) to `size`, bicubic and antialiased; values may overshoot by a little."""
    if image.shape[-2:] == (size.height, size.width):
        return image
    return resampled(image, (size.height, size.width), mode="bicubic")


def resampled(image: Tensor, size: tuple[int, int], *, mode: str) -> Tensor:
    """Resample (N, C, H, W) to (height, width), antialiased; differentiable.

    Not every PyTorch that may be installed can do that on MPS; there, it is done on the CPU.
    """
    here = image.cpu() if image.device.type == "mps" else image
    return F.interpolate(here, size, mode=mode, antialias=True).to(image.device)


def at_most(image: Tensor, longer: int) -> Tensor:
    """Make an image smaller if its longer side is over `longer`; never larger."""
    return image if max(image.shape[-2:]) <= longer else resize(image, fit_to(image, longer)).clamp(0, 1)


def size_of(image: Tensor) -> Size:
    """Return the size of (N, C, H, W)."""
    return Size(int(image.shape[-1]), int(image.shape[-2]))


def gray(image: Tensor) -> Tensor:
    """Return the luma (N, 1, H, W) of an image, by Rec. 601."""
    weights = image.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True)


def blur(images: Tensor, width: float) -> Tensor:
    """Blur (N, C, H, W) with a Gaussian of standard deviation `width` pixels, edges reflected."""
    radius = min(max(1, round(3 * width)), min(images.shape[-2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offsets / width) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    # Channels as images of their own: grouped convolutions pad few channels to many.
    padded = F.pad(images.flatten(0, 1).unsqueeze(1), (radius,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel), kernel.transpose(2, 3)).view_as(images)


def to_8_bits(image: Tensor) -> Tensor:
    """Round an image to what 8 bits a colour hold."""
    return (image * 255).round() / 255


def to_pil(image: Tensor) -> Image.Image:
    """Round one image (1, 3, H, W) to 8 bits."""
    pixels = image.detach().squeeze(0).clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())


def png(image: Tensor) -> bytes:
    """Return an image as the bytes of a PNG file, for a notebook; several (N, 3, H, W) stand side by side."""
    held = io.BytesIO()
    to_pil(torch.cat(list(image.split(1)), 3)).save(held, "PNG")
    return held.getvalue()


def data_uri(picture: Image.Image, *, quality: int) -> str:
    """Return a picture as text that a page can hold, see `jpeg`."""
    return f"data:image/jpeg;base64,{b64encode(jpeg(picture, quality=quality)).decode()}"


def jpeg(picture: Image.Image, *, quality: int) -> bytes:
    """Return a picture as a JPEG of nothing but its pixels, no place and no camera."""
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=quality)
    return held.getvalue()


def ensure_format(path: str | Path) -> str:
    """Return the format that `path` asks for by its suffix (PNG, JPEG, WEBP), or raise."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise DreamscopeError(
            f"can't write '{path}': a picture ends in {', '.join(_FORMATS)}" + did_you_mean(suffix, _FORMATS)
        )
    return _FORMATS[suffix]


def write(image: Tensor, path: str | Path, *, note: str | None = None, alpha: Tensor | None = None) -> Path:
    """Write one image (1, 3, H, W) as PNG, JPEG or WebP (by suffix), whole or not at all.

    `note` (a recipe's JSON) goes into the file: a PNG text chunk, or the EXIF description. `alpha` (1, 1, H, W) in
    [0, 1] makes it transparent where it is below 1; JPEG knows no such thing.
    """
    format_ = ensure_format(path)
    if len(image) != 1:
        raise DreamscopeError(f"can't write '{path}': one file holds one picture, not {len(image)}; write each of them")
    options: dict[str, Any] = {}
    if format_ == "PNG":
        if note is not None:
            options["pnginfo"] = PngInfo()
            options["pnginfo"].add_text(_NOTE_KEY, note)
    else:
        options["quality"] = 95
        if format_ == "JPEG":
            options["subsampling"] = 0
        if note is not None:
            exif = Image.Exif()
            exif[_EXIF_DESCRIPTION] = note
            options["exif"] = exif
    picture = to_pil(image)
    if alpha is not None:
        if format_ == "JPEG":
            raise DreamscopeError(f"can't write '{path}': JPEG has no transparency; use .png or .webp")
        picture.putalpha(to_pil(alpha.expand(1, 3, -1, -1)).convert("L"))
    with written_whole(path) as temporary:
        picture.save(temporary, format=format_, **options)
    return Path(path)


def read_note(path: str | Path) -> str | None:
    """Return the note that `write` put into a picture, or ``None``."""
    path = Path(path)
    with _opened(path, _source(path)) as picture:
        note = picture.info.get(_NOTE_KEY) or picture.getexif().get(_EXIF_DESCRIPTION)
    return note if isinstance(note, str) else None


def sample_file(name: str) -> Path:
    """Return the file of one of scikit-learn's sample pictures, without importing scikit-learn: that takes seconds."""
    short = name.removeprefix("sample:")
    if short not in SAMPLES:
        raise DreamscopeError(
            f"no sample picture '{short}'; there are " + " and ".join(f"sample:{each}" for each in SAMPLES)
        )
    return package_file("sklearn", f"datasets/images/{short}.jpg", distribution="scikit-learn")


def _from_array(array: np.ndarray[Any, Any]) -> Tensor:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or 0 in array.shape:
        raise DreamscopeError(f"a picture's array is (H, W, 3), (H, W, 1) or (H, W), not {tuple(array.shape)}")
    if array.dtype == np.uint8:
        return _to_tensor(Image.fromarray(array), "the picture")
    tensor = torch.from_numpy(np.ascontiguousarray(array).astype(np.float32))
    if array.dtype == np.uint16:
        tensor = tensor / 65535
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(-1).expand(-1, -1, 3)
    return check(tensor.permute(2, 0, 1).unsqueeze(0))


def _source(path: Path) -> Path | io.BytesIO:
    file = archives.source(path)
    if (existing_file(file, "picture").stat().st_size if isinstance(file, Path) else len(file.getbuffer())) == 0:
        raise DreamscopeError(f"picture '{path}' is empty (0 bytes)")
    return file


def _opened(path: Path, file: Path | io.BytesIO) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Pillow warns of its own limit first; `ensure_size` is ours, and an error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(file)
    except UnidentifiedImageError as error:
        raise DreamscopeError(
            f"'{path}' is not a picture that can be read (PNG, JPEG, WebP, TIFF, BMP, GIF, DICOM ...)"
        ) from error
    except Image.DecompressionBombError as error:
        raise DreamscopeError(f"picture '{path}' is too large: over {LARGEST_AREA // 10**6} megapixels") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise DreamscopeError(f"picture '{path}' can't be read: {error}") from error


def _read_file(path: Path, side: int = 0) -> Tensor:
    file = _source(path)
    if path.suffix.lower() not in _FORMATS and dicom.is_dicom(file):
        return _from_array(dicom.read(file, f"picture '{path}'"))
    with _opened(path, file) as picture:
        ensure_size(*picture.size, f"picture '{path}'")
        try:
            if side:
                # Does nothing to other formats.
                picture.draft(None, (2 * side, 2 * side))
            picture.load()
            return _to_tensor(picture, f"picture '{path}'")
        except (OSError, ValueError, SyntaxError) as error:
            raise DreamscopeError(f"picture '{path}' is damaged or cut short: {error}") from error


def _to_tensor(picture: Image.Image, what: str) -> Tensor:
    ensure_size(*picture.size, what)
    if picture.mode == "F":
        raise DreamscopeError(f"{what} holds floating-point numbers of unknown range; convert it first")
    if picture.mode.startswith("I"):
        # Pillow's own conversion to RGB would clip at 255.
        black, top = gray_levels.ends(picture, what)
        values = torch.from_numpy(np.array(ImageOps.exif_transpose(picture), dtype=np.float32))
        return values.sub_(black).div_(top - black).clamp_(0, 1).expand(1, 3, -1, -1).clone()
    picture = ImageOps.exif_transpose(picture)
    profile = picture.info.get("icc_profile")
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        picture = Image.alpha_composite(white, rgba).convert("RGB")
    if profile:
        picture = _to_srgb(picture, profile)
    pixels = np.array(picture.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).float().div(255)


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Convert by the embedded profile; a broken or foreign profile leaves the picture as it is."""
    if picture.mode not in ("RGB", "CMYK", "L", "LAB"):
        picture = picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture
    return converted if converted is not None else picture


read_image, write_image = read, write
"""Their names at the top of the package, where `read` alone would say too little."""
