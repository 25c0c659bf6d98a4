"""Which lines of a shell script a reviewer should read first. Lines of comment are left out; a shell can hide more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.intake.finding import Kind, Mention
from harness.text import spelled_out

_COMMANDS = re.compile(
    r"""(?<![\w./-])(?:/[\w/.-]*/)?(?:
        curl | wget | aria2c | nc | ncat | netcat | socat | telnet | ssh | scp | sftp | rsync | rclone | s3cmd
      | git | hg | svn | aws | gsutil | gcloud | hf | huggingface-cli
      | pip3? | pipx | uv | conda | mamba | apt | apt-get | npm | cargo | go\s+(?:get|install|run) | gem
      | eval | exec | source | nohup | setsid | crontab | docker
      | base64 | base32 | xxd | openssl | gpg | uudecode
    )(?![\w./-])
    | -m\s+pip\b | python[\d.]*\s+-c\b | perl\s+-e\b | /dev/tcp/ | \|\s*(?:ba|da|z)?sh\b | `[^`]*` | \bhttps?://""",
    re.VERBOSE,
)
_MAX_LINE = 160


def mentions(source: bytes) -> Iterator[Mention]:
    """Every line that says such a thing outside a comment, as it can be shown."""
    for number, line in enumerate(source.decode("utf-8", "backslashreplace").split("\n"), start=1):
        code = line.strip()
        if not code.startswith("#") and _COMMANDS.search(code):
            yield Mention(kind=Kind.SHELL, line=number, what=spelled_out(code, limit=_MAX_LINE))
