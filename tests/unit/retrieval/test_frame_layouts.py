"""Frames are read back from every layout, bit for bit."""

import numpy as np

from harness.retrieval.frame_layouts import INTEGERS, KEY_BEGIN, PACKED, key_words, packed_key_words

LAYOUTS = {layout.name: layout for layout in (*INTEGERS, *PACKED)}


def test_what_was_written_is_read_back(layout, write, frames):
    data = np.frombuffer(write(frames[:7]), np.uint8).reshape(7, LAYOUTS[layout].frame_bytes)
    np.testing.assert_array_equal(LAYOUTS[layout].decode(data), frames[:7])


def test_the_sizes_of_a_frame():
    assert {layout.name: layout.frame_bytes for layout in LAYOUTS.values()} == {
        "uint32": 1024,
        "uint64": 2048,
        "packed18": 576,
        "packed18, bytes from the top": 576,
        "packed18, big-endian": 576,
    }


def test_a_packed_key_begins_with_its_word(frames, writers):
    words = packed_key_words(frames[:9, KEY_BEGIN : KEY_BEGIN + 4])
    for each, layout in zip(words, PACKED, strict=True):
        data = np.frombuffer(writers[layout.name](frames[:9]), np.uint8).reshape(9, -1)
        key = np.ascontiguousarray(data[:, layout.key_offset : layout.key_offset + 8])
        np.testing.assert_array_equal(each, key.view("<u8")[:, 0])


def test_a_word_is_the_keys_low_64_bits():
    assert key_words(np.array([[1, 0, 0, 0]])) == 1
    assert key_words(np.array([[0, 1, 2, 0]])) == (1 << 18) + (2 << 36)
    assert key_words(np.array([[0, 0, 0, (1 << 18) - 1]])) == np.uint64((1 << 10) - 1) << np.uint64(54)


def test_a_number_beyond_the_vocabulary_is_no_token():
    for layout, item in zip(INTEGERS, (4, 8), strict=True):
        value = np.array([[1 << 18, (1 << 31) + 5, (1 << 18) - 1]], f"<u{item}")
        assert layout.decode(value.view(np.uint8)).tolist() == [[1 << 18, 1 << 18, (1 << 18) - 1]]
    high = np.array([[(1 << 32) + 5]], "<u8")
    assert INTEGERS[1].decode(high.view(np.uint8)).tolist() == [[1 << 18]]
