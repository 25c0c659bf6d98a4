"""A clip written as its frames arrive, in constant memory; it appears when all of it is there."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import ClipMetadata
from harness.errors import DataInvalid, OutputFailed, UsageError
from harness.spec import CHALLENGE

_REPEATS_AT_ONCE = 1024


class ClipWriter:
    """Appends frames to `video.bin` and `segment_ids.bin`; `writing_clip` makes one."""

    def __init__(self, video: BinaryIO, segment_ids: BinaryIO) -> None:
        self._video = video
        self._segment_ids = segment_ids
        self.num_frames = 0

    def append(self, tokens_HW: NDArray[np.uint32], *, segment: int, times: int = 1) -> None:
        """Add a frame, `times` in a row.

        Raises: DataInvalid unless it is a grid of the challenge's size.
        """
        if tokens_HW.shape != (CHALLENGE.height, CHALLENGE.width):
            raise DataInvalid(
                f"the codec made {' x '.join(map(str, tokens_HW.shape))} tokens of an image, the challenge has "
                f"{CHALLENGE.height} x {CHALLENGE.width}",
                code="codec.grid",
                fix="use the challenge's own codec: wmc data pull --codec",
            )
        frame = np.ascontiguousarray(tokens_HW, "<u4").tobytes()
        segment_id = np.array(segment, "<i4").tobytes()
        for done in range(0, times, _REPEATS_AT_ONCE):
            few = min(_REPEATS_AT_ONCE, times - done)
            self._video.write(frame * few)
            self._segment_ids.write(segment_id * few)
        self.num_frames += times


@contextmanager
def writing_clip(folder: Path, *, tokenizer_ckpt: str) -> Iterator[ClipWriter]:
    """A writer whose frames are the clip `folder`, without actions, once the context ends well; else nothing is left.

    Raises: UsageError where `folder` exists, OutputFailed where it cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise UsageError(
            f"{folder} exists", code="usage.output_exists", fix="name a folder that does not, with -o DIR"
        )
    made: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        with (made / "video.bin").open("wb") as video, (made / "segment_ids.bin").open("wb") as segment_ids:
            writer = ClipWriter(video, segment_ids)
            yield writer
        metadata = ClipMetadata(num_images=writer.num_frames, tokenizer_ckpt=tokenizer_ckpt)
        (made / "metadata.json").write_text(json.dumps(asdict(metadata), indent=2) + "\n")
        made.chmod(0o755)  # mkdtemp's are the owner's alone
        made.rename(folder)
    except OSError as error:  # those of what is read have other names by now
        raise OutputFailed(
            f"{folder} cannot be written: {error.strerror or error}",
            fix="make room, or name a folder you may write to with -o DIR",
        ) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
