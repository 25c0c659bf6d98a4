"""The options of `wmc grade` and `wmc check`, and the sandbox they name."""

import argparse
from pathlib import Path

import pytest

from harness.cli.grade_options import add_grade_options, grade_request, pick_sandbox
from harness.data.published import lpips_folder
from harness.errors import SandboxUnavailable, UsageError
from harness.sandbox import choose


class Listener:
    """A console that keeps its warnings."""

    def __init__(self) -> None:
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture
def options():
    parser = argparse.ArgumentParser()
    add_grade_options(parser)
    return lambda *words: parser.parse_args(["--data", "somewhere", *words])


@pytest.fixture
def policy_of(monkeypatch, options):
    """The policy that a Docker sandbox would be opened with."""

    def policy_of(*words):
        opened = []
        monkeypatch.setattr(choose, "DockerSandbox", lambda *, policy, cache: opened.append(policy))
        pick_sandbox(options(*words), Listener())
        return opened[0]

    return policy_of


def test_gpus_and_a_runtime_are_passed_on(policy_of):
    policy = policy_of("--gpu", "0", "--gpu", "GPU-1", "--runtime", "runsc", "--base-image", "mine")
    assert (policy.gpu_device_ids, policy.runtime, policy.base_image) == (("0", "GPU-1"), "runsc", "mine")


def test_by_default_there_is_no_gpu_and_no_private_network(policy_of):
    policy = policy_of()
    assert (policy.gpu_device_ids, policy.runtime, policy.block_private_networks) == ((), None, True)


def test_private_networks_are_reached_only_if_asked_for(policy_of):
    assert not policy_of("--build-network", "open").block_private_networks


def test_without_isolation_there_is_one_warning(options, tmp_path):
    listener = Listener()
    assert pick_sandbox(options("--sandbox", "process"), listener, cache=tmp_path).name == "process"
    assert listener.warnings == [choose.NO_ISOLATION]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), 32 << 30),
        (("--max-entry-bytes", "500000"), 500_000),
        (("--max-entry-bytes", "3K"), 3 << 10),
        (("--max-entry-bytes", "512m"), 512 << 20),
        (("--max-entry-bytes", "4G"), 4 << 30),
    ],
)
def test_an_entry_may_hold_what_the_options_allow(options, tmp_path, words, expected):
    sandbox = pick_sandbox(options("--sandbox", "process", *words), Listener(), cache=tmp_path)
    assert sandbox.policy.entry_bytes == expected


@pytest.mark.parametrize("words", [("--gpu", "0"), ("--runtime", "runsc"), ("--base-image", "mine")])
def test_what_the_process_sandbox_cannot_keep_is_refused(options, words):
    """A promise of isolation that is dropped without a word would be worse than none."""
    with pytest.raises(UsageError) as caught:
        pick_sandbox(options("--sandbox", "process", *words), Listener())
    assert words[0] in caught.value.message


def test_without_an_engine_the_process_sandbox_is_never_taken_instead(options, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(SandboxUnavailable):
        pick_sandbox(options(), Listener())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--seed", "-1"), "'-1' is not a whole number of at least 0"),
        (("--seed", "1.5"), "'1.5' is not a whole number of at least 0"),
        (("--windows", "0"), "'0' is not a whole number of at least 1"),
        (("--windows", "²"), "'²' is not a whole number of at least 1"),
        (("--max-entry-bytes", "0"), "'0' is not a size such as 500000, 512M or 4G"),
        (("--max-entry-bytes", "4T"), "'4T' is not a size"),
        (("--max-entry-bytes", "G"), "'G' is not a size"),
        (("--max-entry-bytes", "1.5G"), "'1.5G' is not a size"),
        (("--max-entry-bytes", ""), "'' is not a size"),
        (("--reply-timeout", "soon"), "'soon' is not a number of seconds above 0"),
        (("--start-timeout", "nan"), "'nan' is not a number of seconds above 0"),
        (("--regime-timeout", "inf"), "'inf' is not a number of seconds above 0"),
    ],
)
def test_a_number_that_is_none_is_told_in_words(options, capsys, words, complaint):
    with pytest.raises(SystemExit) as caught:
        options(f"{words[0]}={words[1]}")
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_pictures_are_made_once_with_the_clips_own_codec_unless_the_options_say_otherwise(options):
    request = grade_request(options(), Path("entry.zip"))
    assert (request.pictures, request.codec, request.samples) == (True, None, 1)
    assert request.lpips_weights == lpips_folder()
    words = ("--codec", "a.npz", "--lpips", "weights", "--samples", "4", "--no-pictures")
    request = grade_request(options(*words), Path("entry.zip"))
    assert (request.pictures, request.codec, request.samples) == (False, "a.npz", 4)
    assert request.lpips_weights == Path("weights")


@pytest.mark.parametrize("draws", ["0", "-1", "two", "1.5"])
def test_draws_are_counted_in_whole_numbers(options, draws, capsys):
    with pytest.raises(SystemExit):
        options("--samples", draws)
    assert "--samples" in capsys.readouterr().err


def test_several_draws_of_a_regime_that_is_not_graded_make_no_sense(options):
    with pytest.raises(UsageError) as caught:
        grade_request(options("--samples", "2", "--regime", "temporally_teacher_forced"), Path("entry.zip"))
    assert caught.value.code == "usage.samples"
    both = ("--regime", "temporally_teacher_forced", "--regime", "fully_autoregressive")
    assert grade_request(options("--samples", "2", *both), Path("entry.zip")).samples == 2
