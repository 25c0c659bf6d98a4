"""What must become of each hostile entry; `tests/entries/README.md` says the same as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.protocol.conversation import Limits

GRADED = "graded"
PATIENT = Limits(start_s=60.0, reply_s=30.0, regime_s=60.0)
BRIEF_START = Limits(start_s=2.5, reply_s=30.0, regime_s=60.0)
CONNECTING = Limits(start_s=8.0, reply_s=30.0, regime_s=60.0)  # long enough to connect on a slow machine
BRIEF_REPLY = Limits(start_s=60.0, reply_s=2.5, regime_s=60.0)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One entry and its end.

    Attributes:
        control: what stands in its way.
        outcome: the failure's code, or `graded`: then its scores are those of its innocent twin.
        limits: of the gate.
        blame: whose turn it is where it fails.
        both_regimes: most attacks need no more than one conversation.
        is_twin: graded, it has its innocent twin's scores.
    """

    control: str
    outcome: str = GRADED
    blame: str = "entry"
    limits: Limits = field(default=PATIENT)
    both_regimes: bool = False
    is_twin: bool = True


def _broken(control: str, outcome: str, limits: Limits = PATIENT) -> Case:
    return Case(control=control, outcome=outcome, limits=limits)


GATE = {
    "replies_early": _broken("an answer is taken when it was asked for", "guest.unsolicited"),
    "replies_twice": _broken("an answer is taken once", "guest.unsolicited"),
    "replies_late": _broken("the limit of one reply", "guest.timeout", BRIEF_REPLY),
    "stops_within_a_reply": _broken("the limit of one reply", "guest.timeout", BRIEF_REPLY),
    "dribbles": _broken("the limit of one reply is absolute", "guest.timeout", BRIEF_REPLY),
    "never_reads": _broken("the limit of one reply", "guest.timeout", BRIEF_REPLY),
    "short_reply": _broken("an answer has exactly one size", "guest.wrong_size"),
    "long_reply": _broken("an answer has exactly one size", "guest.wrong_size"),
    "smuggles_in_a_size": _broken(
        "an answer has exactly one size; messages are not published", "guest.wrong_size"
    ),
    "wrong_kind": _broken("the header is compared, field by field", "guest.wrong_kind"),
    "wrong_t": _broken("the header is compared, field by field", "guest.wrong_t"),
    "wrong_batch": _broken("the header is compared, field by field", "guest.wrong_batch"),
    "wrong_magic": _broken("the header is compared; messages are not published", "guest.wrong_magic"),
    "not_a_number": _broken("logits are finite", "guest.not_finite"),
    "infinity": _broken("logits are finite", "guest.not_finite"),
    "token_out_of_range": _broken("tokens are in the vocabulary", "guest.token_out_of_range"),
    "huge_floats": Case(control="the host's own log-softmax in float64", is_twin=False),
    "never_connects": _broken("the limit of the start", "guest.no_connection", BRIEF_START),
    "never_ready": _broken("the limit of the start", "guest.timeout", CONNECTING),
    "ready_flood": _broken("READY has a largest size", "guest.wrong_size"),
    "ready_nested": _broken("a parser that gives up is an answer", "guest.bad_ready"),
    "failed_flood": _broken("last words have a largest size and go to the log only", "guest.exception"),
    "half_closes": _broken("a stream that ends is an answer", "guest.closed"),
    "shuts_its_ears": _broken("a stream that ends is an answer", "guest.closed"),
    "exits_zero_early": _broken("the verdict comes from the gate, never from the status", "guest.closed"),
    "exits_when_asked_again": Case(control="the probe says that it did not finish"),
    "second_connection": Case(control="the gate takes one connection"),
    "spams_descriptors": Case(control="plain recv drops what comes along"),
    "hostile_text": _broken("text is escaped where it is shown", "guest.exception"),
}

MACHINE = {
    "innocent": Case(control="none"),
    "crashes_on_purpose": Case(control="core files of one byte, a limit that no entry can change"),
    "leaves_a_daemon": _broken("a process namespace ends with its first process", "guest.closed"),
    "ignores_signals": Case(control="SIGKILL, and a look into the control group"),
    "ghost": Case(control="ptrace is denied; the control group is looked into"),
    "page_cache": Case(control="the page cache is dropped between containers", both_regimes=True),
    "kernel_counters": Case(control="none yet: /proc/vmstat can be read and moved", both_regimes=True),
    "remembers_regimes": Case(
        control="a fresh container with nothing writable that lasts", both_regimes=True
    ),
    "remembers_windows": Case(control="windows are served in an order that shows none's future"),
    "patched_clock": Case(control="the clock is the host's"),
    "replaces_the_socket": Case(control="/held_out is read only and not the entry's"),
    "fork_bomb": Case(control="pids_limit"),
    "thread_bomb": Case(control="pids_limit, and a limit of open files"),
    "memory_bomb": _broken("mem_limit, and no swap", "guest.closed"),
    "fills_memory_disks": Case(control="sizes and inodes of every tmpfs"),
    "fills_netlink_buffers": Case(control="seccomp: netlink for the list of interfaces only"),
    "fills_socket_buffers": Case(
        control="mem_limit where control groups are of version 2; none yet on version 1"
    ),
    "floods_its_log": Case(control="the engine's local log driver, and our cap"),
    "searches_for_truth": Case(control="held-out data is nowhere in the container"),
}

SLOW = {
    "dies_slowly": Case(
        control="its death is waited for for five minutes; what does not end counts as an attempt"
    ),
}
"""Of the machine too, and takes minutes."""

PROBES = {
    "asks_af_alg": "socket families by seccomp",
    "asks_io_uring": "seccomp",
    "asks_the_keyring": "seccomp",
    "asks_vsock": "socket families by seccomp",
    "looks_around": "nothing of the host is inherited",
    "makes_namespaces": "namespace flags by seccomp",
    "mounts": "seccomp, no capabilities",
    "reads_other_processes": "seccomp",
    "seeks_rights": "a user without capabilities, read-only mounts",
    "seeks_the_engine": "its socket is never mounted",
    "seeks_the_network": "no network",
    "uses_up_kernel_aio": "seccomp: no io_setup",
}

BUILDS = {
    "build_plants_links": Case(control="the host does no path work in an entry's folder"),
    "build_replaces_the_program": _broken("the program runs inside, whatever it is", "guest.no_connection"),
    "build_locks_the_door": _broken("the program runs inside, whatever it is", "guest.no_connection"),
    "build_poisons_caches": Case(control="a volume of its own, everything else read only or gone"),
    "build_leaves_a_process": Case(control="a process namespace ends with its first process"),
    "build_fills_its_volume": _broken("the volume is watched", "build.size"),
    "build_fills_the_disk_unseen": _broken("a file system of the allowed size", "build.size"),
    "build_makes_many_files": _broken("the volume is watched", "build.files"),
    "build_lies_about_sizes": _broken("apparent sizes count", "build.size"),
    "build_takes_for_ever": _broken("the limit of the build", "build.timeout"),
    "build_floods_its_log": Case(control="the engine's local log driver, and our cap"),
    "build_fails_rudely": _broken(
        "control characters are taken out of what a message quotes", "build.exit_status"
    ),
    "build_kills_itself": Case(
        control="none: a kill is nobody's fault", outcome="sandbox.killed", blame="operator"
    ),
    "build_eats_memory": _broken("mem_limit, and no swap", "build.memory"),
    "build_reaches_inside": Case(control="a bridge of its own, private networks dropped"),
    "build_hides_in_attributes": Case(control="seccomp: attributes cannot be set"),
    "build_hides_in_times": Case(control="all times are set to one after build.sh"),
}

CASES = {
    **GATE,
    **MACHINE,
    **SLOW,
    **BUILDS,
    **{name: Case(control=control) for name, control in PROBES.items()},
}

HOLES = {
    "fills_socket_buffers": "control groups of version 1 charge the buffers of UDP sockets to nobody",
    "kernel_counters": "what one container adds to a counter of the kernel the next can read: /proc/vmstat is one of"
    " many, and the numbers of pipes' inodes, which fstat tells, cannot be masked",
}
"""What is not stopped yet; when it is, the test that expects the failure fails and says so."""


NOISY = {"kernel_counters"}
"""Holes that an attack gets through only where the rest of the machine keeps still."""


def as_cases(names: Iterable[str], *open_ones: str) -> list[Any]:
    """Names as a test's parameters; of `open_ones`, which are holes, it is expected that they get through."""
    return [
        pytest.param(name, marks=pytest.mark.xfail(strict=name not in NOISY, reason=HOLES[name]))
        if name in open_ones
        else name
        for name in names
    ]
