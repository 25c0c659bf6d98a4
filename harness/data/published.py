"""Where 1X publishes the challenge's data."""

from __future__ import annotations

REPOSITORY = "1x-technologies/worldmodel"
"""A dataset on the Hugging Face Hub."""

REVISION = "94b418de3ad6efe100495a45ce82d5d870df6265"
"""Its card describes v1.1 beside v2.0; later ones are about v2.0 alone, which has another tokenizer."""

VERSION = "v1.1"
SPLITS = ("val", "train")
