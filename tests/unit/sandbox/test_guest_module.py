"""The file every entry may import."""

import subprocess
import sys

from harness.sandbox import guest_module


def test_it_can_be_imported_without_the_harness(tmp_path):
    """-S and -E keep this environment's own packages away; numpy alone is let in."""
    guest_module.put(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["wmc_guest.py"]
    import numpy

    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "numpy").symlink_to(numpy.__path__[0])
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(tmp_path / 'only')!r}]; import wmc_guest"
    check = (
        f"{program}; print(callable(wmc_guest.serve), any(m.split('.')[0] == 'harness' for m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", check], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True False\n", done.stderr


def test_another_user_can_read_it(tmp_path):
    guest_module.put(tmp_path)
    assert (tmp_path / "wmc_guest.py").stat().st_mode & 0o004
    assert tmp_path.stat().st_mode & 0o005 == 0o005
