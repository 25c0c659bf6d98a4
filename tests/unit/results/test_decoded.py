"""Decoded frames on disk: made once, whole or absent, in bounded memory."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from stand_ins import Flat, Listener

from harness.errors import Blame, StoreFailed
from harness.progress import Silent
from harness.results.decoded import RESERVE_BYTES, decoded_frames


@pytest.fixture
def tokens() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(150, 4, 4), dtype=np.uint32)


def test_frames_are_decoded_once_and_read_back(tokens: np.ndarray, tmp_path: Path) -> None:
    codec = Flat(patch=8)
    first = decoded_frames(tmp_path / "new", codec, tokens, Silent())
    again = decoded_frames(tmp_path / "new", codec, tokens, Silent())
    assert codec.decoded == len(tokens)
    assert first.shape == (150, 32, 32, 3)
    np.testing.assert_array_equal(first[:, ::8, ::8, 0], tokens)
    np.testing.assert_array_equal(first, again)
    assert isinstance(again, np.memmap)
    assert not again.flags.writeable


def test_another_codec_and_other_tokens_have_files_of_their_own(tokens: np.ndarray, tmp_path: Path) -> None:
    decoded_frames(tmp_path, Flat(patch=8), tokens, Silent())
    other_codec, other_tokens = Flat(patch=8, digest="b" * 64), Flat(patch=8)
    decoded_frames(tmp_path, other_codec, tokens, Silent())
    changed = tokens.copy()
    changed[-1, -1, -1] ^= 1
    decoded_frames(tmp_path, other_tokens, changed, Silent())
    assert other_codec.decoded == other_tokens.decoded == len(tokens)
    assert len(list(tmp_path.glob("*.npy"))) == 3


def test_what_was_interrupted_is_absent_and_made_the_next_time(tokens: np.ndarray, tmp_path: Path) -> None:
    """Control: the file takes its name when it is whole."""

    class Interrupted(Flat):
        def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
            if self.decoded >= 100:
                raise KeyboardInterrupt
            return super().decode(tokens_BHW)

    with pytest.raises(KeyboardInterrupt):
        decoded_frames(tmp_path, Interrupted(patch=8), tokens, Silent())
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    codec = Flat(patch=8)
    images = decoded_frames(tmp_path, codec, tokens, Silent())
    assert codec.decoded == len(tokens)
    np.testing.assert_array_equal(images[:, ::8, ::8, 0], tokens)


def test_of_two_grades_at_once_one_decodes_and_the_other_waits(tokens: np.ndarray, tmp_path: Path) -> None:
    """Control: the lock beside the file."""
    begun, go_on, has_heard = threading.Event(), threading.Event(), threading.Event()

    class Waking(Listener):
        def note(self, text: str) -> None:
            super().note(text)
            has_heard.set()

    class Slow(Flat):
        def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
            begun.set()
            assert go_on.wait(30)
            return super().decode(tokens_BHW)

    slow, second, listener = Slow(patch=8), Flat(patch=8), Waking()
    found: dict[str, np.ndarray] = {}

    def grade(name: str, codec: Flat) -> threading.Thread:
        thread = threading.Thread(
            target=lambda: found.update({name: decoded_frames(tmp_path, codec, tokens, listener)})
        )
        thread.start()
        return thread

    threads = [grade("first", slow)]
    assert begun.wait(30)
    threads.append(grade("second", second))
    assert has_heard.wait(30)
    threads[1].join(0.3)
    assert threads[1].is_alive(), "it waits"
    assert ["waiting" in note for note in listener.notes] == [True]
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert (slow.decoded, second.decoded) == (len(tokens), 0)
    np.testing.assert_array_equal(found["first"], found["second"])


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    def peak(frames: int) -> int:
        tokens = np.zeros((frames, 16, 16), np.uint32)
        tracemalloc.start()
        try:
            decoded_frames(tmp_path, Flat(patch=8), tokens, Silent())
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(128), peak(1024)
    assert many < few + 1024 * 16 * 16 * 4 * 2, "only the tokens themselves are more"
    assert few < 64 * 128 * 128 * 3 * 16


def _cut(content: bytes) -> bytes:
    return content[:-1]


def _flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("spoil", [lambda _: b"", lambda _: b"\x93NUMPY\x01\x00", _cut, _flipped])
def test_a_damaged_file_is_made_again_and_mentioned(
    tokens: np.ndarray, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    """Control: the digest beside the file; one wrong byte would be compared with every later entry."""
    decoded_frames(tmp_path, Flat(patch=8), tokens, Silent())
    (path,) = tmp_path.glob("*.npy")
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    listener, codec = Listener(), Flat(patch=8)
    images = decoded_frames(tmp_path, codec, tokens, listener)
    assert codec.decoded == len(tokens)
    assert path.read_bytes() == whole
    np.testing.assert_array_equal(images[:, ::8, ::8, 0], tokens)
    assert [str(path) in note and "damaged" in note for note in listener.notes] == [True]


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
def test_frames_are_written_only_where_the_record_still_fits_beside_them(
    tokens: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: int, *, fits: bool
) -> None:
    free = tokens.size * 64 * 3 + RESERVE_BYTES + spare
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    codec = Flat(patch=8)
    if fits:
        assert len(decoded_frames(tmp_path, codec, tokens, Silent())) == len(tokens)
        return
    with pytest.raises(StoreFailed) as caught:
        decoded_frames(tmp_path, codec, tokens, Silent())
    assert caught.value.code == "store.no_room"
    assert codec.decoded < len(tokens)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made_is_the_operators_problem(tokens: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed) as caught:
        decoded_frames(tmp_path / "file", Flat(patch=8), tokens, Silent())
    assert caught.value.blame is Blame.OPERATOR
