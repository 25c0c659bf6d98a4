"""Where 1X and others publish what the challenge needs: data, its codec, and the weights of LPIPS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.disk.places import cache_folder

REPOSITORY = "1x-technologies/worldmodel"
"""A dataset on the Hugging Face Hub."""

REVISION = "94b418de3ad6efe100495a45ce82d5d870df6265"
"""Its card describes v1.1 beside v2.0; later ones are about v2.0 alone, which has another tokenizer."""

VERSION = "v1.1"
SPLITS = ("val", "train")
PUBLIC_VAL = ("val", f"val_{VERSION}")
"""What the folder of a val that everybody has is called: its pictures are no secret, and claims are made on it."""

CODEC_FILE = "magvit2.ckpt"
"""The checkpoint of v1.1's tokenizer, at the top of the dataset."""


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """A file at a fixed address whose bytes are known.

    Attributes:
        name: what it is called on our disk.
        url: where it is.
        size: in bytes.
        sha256: of its content.
    """

    name: str
    url: str
    size: int
    sha256: str


LPIPS_BACKBONE = PublishedFile(
    name="alexnet-owt-7be5be79.pth",
    url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    size=244_408_911,
    sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
"""torchvision's AlexNet, trained on ImageNet."""

LPIPS_HEADS = PublishedFile(
    name="lpips-alex-v0.1.pth",
    url="https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/alex.pth",
    size=6_009,
    sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
)
"""LPIPS' own linear layers for AlexNet; the wheel of `lpips` 0.1.4 on PyPI holds the same bytes."""

LPIPS_FILES = (LPIPS_BACKBONE, LPIPS_HEADS)


def lpips_folder() -> Path:
    """Where `wmc data pull --lpips` puts `LPIPS_FILES` unless told otherwise; it need not exist.

    Raises: UsageError for a user without a home folder.
    """
    return cache_folder() / "lpips"
