"""The process sandbox keeps the contract, isolation apart."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import BuildFailed, SandboxFailed
from harness.progress import Silent
from harness.sandbox import logs, source
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.process import ProcessSandbox

SHA = "ab" * 32


class Bench:
    """A sandbox, an entry and a gate's folder."""

    def __init__(self, folder: Path, **policy) -> None:
        self.sandbox = ProcessSandbox(
            policy=replace(SandboxPolicy(), log_bytes=4096, **policy), cache=folder / "cache"
        )
        self.folder = folder
        self.log = folder / "log"
        self.files = folder / "files"
        self.files.mkdir()
        self.gate = folder / "gate"
        self.gate.mkdir()
        self.write("build.sh", "#!/bin/sh\n")
        self.write("evaluate.py", "#!/usr/bin/env python3\n")

    def write(self, name: str, text: str) -> None:
        (self.files / name).write_text(text)
        (self.files / name).chmod(0o755)

    def build(self, script: str | None = None, *, sha256: str = SHA):
        if script is not None:
            self.write("build.sh", script)
        return self.sandbox.build(
            self.files, entry_sha256=sha256, grade_id="g", log=self.log, progress=Silent()
        )

    def play(self, program: str) -> tuple[str | None, str]:
        self.write("evaluate.py", f"#!/usr/bin/env python3\n{program}\n")
        with self.sandbox.run(self.build(), grade_id="g", gate=self.gate, log=self.log) as guest:
            deadline = time.monotonic() + 60
            while (ended := guest.how_it_ended()) is None and time.monotonic() < deadline:
                time.sleep(0.01)
        return ended, self.log.read_text()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # it may go between the opening and the reading
        return False


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return text
        time.sleep(0.01)
    raise TimeoutError(path)


def test_the_build_runs_in_a_copy(bench):
    built = bench.build("#!/bin/sh\necho made > made\npwd\n")
    assert (Path(built.handle) / "made").read_text() == "made\n"
    assert not (bench.files / "made").exists()
    assert bench.log.read_text() == f"{built.handle}\n"
    assert (built.num_files, built.base_image, built.entry_sha256) == (3, None, SHA)


def test_an_entry_is_built_once_and_its_log_is_found_again(bench):
    script = "#!/bin/sh\ndate +%N > stamp; echo built\n"
    first = bench.build(script)
    bench.log.unlink()
    assert bench.build(script) == first
    assert bench.log.read_text() == "built\n"


def test_another_submission_is_built_for_itself(bench):
    script = "#!/bin/sh\ndate +%N > stamp\n"
    assert bench.build(script).tree_sha256 != bench.build(script, sha256="cd" * 32).tree_sha256


def test_a_changed_entry_is_built_again(bench):
    built = bench.build("#!/bin/sh\nprintf honest > weights\n")
    (Path(built.handle) / "weights").write_text("forged")
    assert bench.build().tree_sha256 == built.tree_sha256
    assert (Path(built.handle) / "weights").read_text() == "honest"


def test_a_run_does_not_change_the_entry(bench):
    """Python would leave compiled files beside the modules it imports."""
    bench.write("helper.py", "x = 1\n")
    ended, _ = bench.play("import helper")
    assert ended == "exited with status 0"
    assert not (Path(bench.build().handle) / "__pycache__").exists()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("#!/bin/sh\necho why >&2; exit 3\n", "build.exit_status"),
        ("#!/bin/sh\nno-such-command\n", "build.exit_status"),
        ("#!/no/such/shell\n", "build.not_executable"),
        ("#!/bin/bash\r\ntrue\r\n", "build.not_executable"),
    ],
)
def test_a_failed_build_has_a_code(bench, script, code):
    with pytest.raises(BuildFailed) as caught:
        bench.build(script)
    assert caught.value.code == code


def test_a_build_that_somebody_killed_is_not_charged_to_the_entry(bench):
    """As in a container: nobody can tell who did it."""
    with pytest.raises(SandboxFailed) as caught:
        bench.build("#!/bin/sh\nkill -9 $$\n")
    assert caught.value.code == "sandbox.killed"
    assert "memory" not in caught.value.message, "nobody knows that either"


def test_a_failed_build_quotes_the_log(bench):
    with pytest.raises(BuildFailed) as caught:
        bench.build("#!/bin/sh\necho no such wheel >&2; exit 3\n")
    assert "status 3" in caught.value.message
    assert "no such wheel" in caught.value.message


def test_a_failed_build_is_tried_again(bench):
    with pytest.raises(BuildFailed):
        bench.build("#!/bin/sh\ntouch half; exit 1\n")
    built = bench.build("#!/bin/sh\n[ ! -e half ]\n")
    assert built.num_files == 2


def test_a_build_that_takes_too_long_is_killed(tmp_path):
    bench = Bench(tmp_path, build_timeout_s=0.5)
    with pytest.raises(BuildFailed) as caught:
        bench.build("#!/bin/sh\nsleep 600\n")
    assert caught.value.code == "build.timeout"


@pytest.mark.parametrize(
    ("caps", "code"), [({"entry_bytes": 1000}, "build.size"), ({"entry_files": 3}, "build.files")]
)
def test_an_entry_over_a_cap_is_refused(tmp_path, caps, code):
    bench = Bench(tmp_path, **caps)
    with pytest.raises(BuildFailed) as caught:
        bench.build("#!/bin/sh\nhead -c 2000 /dev/zero > a; touch b\n")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("program", "end"),
    [
        ("", "exited with status 0"),
        ("import sys; sys.exit(5)", "exited with status 5"),
        ("import os; os.kill(os.getpid(), 15)", "killed by signal 15"),
    ],
)
def test_the_end_is_told_in_words(bench, program, end):
    assert bench.play(program)[0] == end


def test_the_guest_finds_its_gate_its_module_and_this_python(bench):
    ended, said = bench.play(
        "import sys, wmc_guest, numpy; print(sys.argv[1:], wmc_guest.serve.__name__, sys.prefix)"
    )
    assert ended == "exited with status 0", said
    assert said == f"['--val_data_dir', '{bench.gate}'] serve {sys.prefix}\n"


def test_output_is_capped(bench):
    _, said = bench.play("print('x' * 10**7); print('the end')")
    assert len(said) <= 4096
    assert said.endswith("the end\n")


@pytest.mark.parametrize(
    "flight",
    [
        "pass",
        "os.setsid()",
        "os.setsid(); os.fork() and os._exit(0)",
        "os.execvpe('sleep', ['sleep', '600'], {})",
        "os.setpgid(0, 0)",
    ],
)
def test_what_the_guest_started_dies_with_it(bench, tmp_path, flight):
    """Also in another group or session, as an orphan, or with an empty environment."""
    note = tmp_path / "pid"
    bench.write(
        "evaluate.py",
        "#!/usr/bin/env python3\nimport os, time\n"
        "if os.fork() == 0:\n"
        f"    open({str(note)!r}, 'w').write(f'{{os.getpid()}}\\n') if 'fork' not in {flight!r} else None\n"
        f"    {flight}\n"
        f"    open({str(note)!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(600)\n",
    )
    with bench.sandbox.run(bench.build(), grade_id="g", gate=bench.gate, log=bench.log):
        pid = int(wait_for(note))
        assert is_alive(pid)
    assert not is_alive(pid)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupted_host_leaves_nothing(bench, tmp_path, interruption):
    note = tmp_path / "pid"
    lines = (
        "#!/usr/bin/env python3",
        "import os, time",
        f"open({str(note)!r}, 'w').write(f'{{os.getpid()}}\\n')",
        "time.sleep(600)",
    )
    bench.write("evaluate.py", "\n".join(lines))
    built = bench.build()

    def grade():
        with bench.sandbox.run(built, grade_id="g", gate=bench.gate, log=bench.log):
            wait_for(note)
            raise interruption

    with pytest.raises(interruption):
        grade()
    assert not is_alive(int(note.read_text()))


def test_a_guest_that_ignores_signals_is_killed_all_the_same(bench):
    ignoring = "import signal, time\nfor number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)\n"
    bench.write(
        "evaluate.py", f"#!/usr/bin/env python3\n{ignoring}print('deaf', flush=True)\ntime.sleep(600)\n"
    )
    with bench.sandbox.run(bench.build(), grade_id="g", gate=bench.gate, log=bench.log) as guest:
        wait_for(bench.log)
        assert guest.how_it_ended() is None
    assert guest.process.returncode == -signal.SIGKILL


def test_an_entry_that_is_gone_is_not_run(bench):
    with (
        pytest.raises(SandboxFailed) as caught,
        bench.sandbox.run(
            replace(bench.build(), handle="/no/such"), grade_id="g", gate=bench.gate, log=bench.log
        ),
    ):
        pass
    assert caught.value.code == "sandbox.entry_gone"


def test_the_record_says_that_there_was_no_isolation(bench):
    assert bench.sandbox.name == "process"
    assert bench.sandbox.details["isolation"] == "none"
    assert os.environ.get("WMC_GRADE") is None


def test_a_folder_nobody_may_write_to_is_built_over():
    """Without root's rights, since the tests may run with them; so not in a folder below one of pytest's own."""
    script = "#!/bin/sh\nmkdir -p shut/inner; echo x > shut/inner/file; chmod 555 shut/inner shut\n"
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        first = bench.build(script)
        (Path(first.handle) / "build.sh").write_text("#!/bin/sh\nforged\n")
        with without_rights_over(bench.folder):
            assert bench.build().tree_sha256 == first.tree_sha256


@contextmanager
def without_rights_over(folder):
    """Root's power to write anywhere is given up meanwhile; `folder` belongs to who is left."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65_000, 65_000, follow_symlinks=False)
    os.setresuid(65_000, 65_000, 0)  # the real one too: a shell would go back to it
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


FULL = OSError(errno.ENOSPC, "No space left on device")


def no_space(*_arguments, **_named):
    raise FULL


@pytest.mark.parametrize(("module", "function"), [(source, "copy"), (shutil, "copyfile"), (os, "fsync")])
def test_a_full_disk_of_the_host_is_the_operators(bench, monkeypatch, module, function):
    monkeypatch.setattr(module, function, no_space)
    with pytest.raises(SandboxFailed) as caught:
        bench.build("#!/bin/sh\n")
    assert caught.value.code == "sandbox.cache"
    assert "No space left" in caught.value.message


def test_a_log_that_cannot_be_written_is_not_the_entrys_and_does_not_end_it(bench, monkeypatch):
    """The entry writes on, far beyond what a pipe holds, and finishes its work."""
    built = bench.build("#!/bin/sh\n")
    done = bench.folder / "done"
    monkeypatch.setattr(logs, "save", no_space)
    (Path(built.handle) / "evaluate.py").write_text(
        f"#!/usr/bin/env python3\nprint('x' * 10**6, flush=True)\nprint(open({str(done)!r}, 'w').write('1'))\n"
    )
    ends = []

    def grade():
        with bench.sandbox.run(built, grade_id="g", gate=bench.gate, log=bench.log) as guest:
            while (ended := guest.how_it_ended()) is None:
                time.sleep(0.01)
            ends.append(ended)

    with pytest.raises(SandboxFailed) as caught:
        grade()
    assert ends == ["exited with status 0"]
    assert (caught.value.code, done.read_text()) == ("sandbox.log", "1")


def test_an_interruption_just_after_the_start_leaves_nothing(bench, monkeypatch, tmp_path):
    """The child runs, and nobody has been told of it yet."""
    note = tmp_path / "pid"
    built = bench.build("#!/bin/sh\n")
    (Path(built.handle) / "evaluate.py").write_text(f"#!/bin/sh\necho $$ > {note}\nexec sleep 600\n")
    honest = subprocess.Popen
    started = []

    def interrupted(*arguments, **named):
        started.append(honest(*arguments, **named))
        wait_for(note)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with (
        pytest.raises(KeyboardInterrupt),
        bench.sandbox.run(built, grade_id="g", gate=bench.gate, log=bench.log),
    ):
        pytest.fail("it was interrupted before")
    with started[0] as process:
        assert process.wait() == -signal.SIGKILL


def test_what_a_killed_harness_left_is_removed_by_the_next(bench):
    """kill -9 in the middle of a run: its entry's processes die and its folders go, once somebody looks."""
    bench.write("evaluate.py", f"#!/bin/sh\necho $$ $PYTHONPATH > {bench.folder}/who\nsleep 600\n")
    built = bench.build()
    program = (
        "import os, pathlib, time\n"
        "from harness.sandbox.contract import BuiltEntry\n"
        "from harness.sandbox.process import ProcessSandbox\n"
        "from harness.sandbox.supply import *\n"
        f"built = {built!r}\n"
        f"gate = pathlib.Path({str(bench.gate)!r})\n"
        "with ProcessSandbox().run(built, grade_id='g', gate=gate, log=gate / 'log'):\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as harness:
        pid, folder = wait_for(bench.folder / "who").split()
        ProcessSandbox()
        assert is_alive(int(pid)), "its harness lives: it is left alone"
        assert Path(folder).exists()
        harness.kill()
    assert is_alive(int(pid)), "killing the harness kills nothing else"
    ProcessSandbox()
    assert not is_alive(int(pid))
    assert not Path(folder).parent.exists()
