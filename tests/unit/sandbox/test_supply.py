"""One line about a build."""

import pytest

from harness.sandbox.supply import Share, Supply, Traffic, in_bytes


def supply(**fields):
    none = Share()
    return Supply(
        **{
            "as_sent": none, "changed": none, "added": none, "removed": none, "largest": (), "packages": (),
            "packages_found": 0, "recorded": none, **fields,
        }
    )  # fmt: skip


def test_a_build_in_words():
    made = supply(
        added=Share(files=1204, size_bytes=310_000_000),
        changed=Share(files=1, size_bytes=5),
        traffic=Traffic(received_bytes=412_300_000, sent_bytes=1),
    )
    assert made.in_words == (
        "build.sh added 1,204 files, 310 MB; changed 1 file; 412 MB came in over the network"
    )
    assert (
        supply().in_words == "build.sh added 0 files, 0 bytes; what came in over the network was not counted"
    )


@pytest.mark.parametrize(
    ("traffic", "words"),
    [
        (
            Traffic(received_bytes=516, destinations_found=0),
            "it made no connection (516 bytes came in unasked, as to every container on a bridge)",
        ),
        (Traffic(received_bytes=516, destinations_found=1), "516 bytes came in over the network"),
        (Traffic(received_bytes=516), "516 bytes came in over the network"),
        (
            Traffic(received_bytes=516, destinations_found=0, unheard="9 packets came too fast"),
            "516 bytes came in over the network",
        ),
        (
            Traffic(received_bytes=2_000_000, destinations_found=0),
            "2.0 MB came in over the network, and no connection was heard",
        ),
    ],
    ids=[
        "nobody asked",
        "somebody was asked",
        "nobody listened",
        "some went unheard",
        "too much for chatter",
    ],
)
def test_what_comes_in_unasked_alarms_only_where_it_is_much(traffic, words):
    assert traffic.in_words == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1234, "1.2 kB"),
        (999_600, "1.0 MB"),
        (31_500_000_000, "32 GB"),
        (5e15, "5,000,000 GB"),
    ],
)
def test_sizes_in_words(count, words):
    assert in_bytes(int(count)) == words
