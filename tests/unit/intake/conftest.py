"""An entry's folder as a newcomer would have it."""

from __future__ import annotations

from pathlib import Path

import pytest

MANIFEST = """user_name = "tester"
email = "tester@example.org"
entry_name = "My first entry"
description = "Two lines,\\nthe second one."
training_flops = 1.5e19
external_data = ["DINOv2: https://example.org/dino"]
claimed_val_loss = 8.5
causal = true
rules_accepted = true
eligibility_attested = true
"""


@pytest.fixture
def manifest_text() -> str:
    """A manifest without mistakes that uses every key."""
    return MANIFEST + "parameters = 1.8e6\nforbidden_reference = true\neligible_for_prize = false\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that packs."""
    root = tmp_path / "my-entry"
    (root / "lib").mkdir(parents=True)
    files = {
        "wmc.toml": MANIFEST,
        "build.sh": "#!/bin/sh\nexit 0\n",
        "evaluate.py": "#!/usr/bin/env python3\nimport lib.model\n",
        "lib/model.py": "print('hello')\n",
    }
    for name, text in files.items():
        (root / name).write_text(text)
    for name in ("build.sh", "evaluate.py"):
        (root / name).chmod(0o755)
    return root
