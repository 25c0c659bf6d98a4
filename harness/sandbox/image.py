"""Making the base image that entries are built and run on."""

from __future__ import annotations

import io
from importlib import resources

from harness.errors import SandboxFailed
from harness.progress import Progress
from harness.sandbox import engine
from harness.text import printable


def build_base_image(name: str, *, progress: Progress) -> str:
    """The digest of the image made from our Dockerfile and tagged `name`.

    Raises: SandboxUnavailable without an engine, SandboxFailed when a step of the Dockerfile fails.
    """
    with engine.connected() as client, progress.step(f"building {name}") as advance:
        last_words: list[str] = []
        # No context is sent: the Dockerfile takes nothing from this machine.
        for event in client.api.build(
            fileobj=io.BytesIO(dockerfile()), tag=name, rm=True, forcerm=True, pull=False, decode=True
        ):
            said = printable(event.get("stream", "").strip())
            if said.startswith("Step "):
                progress.note(said)
                advance()
            if said:
                last_words = [*last_words, said][-5:]
            if "error" in event:
                raise _failed(name, printable(event["error"]), last_words)
        return str(client.images.get(name).id)


def dockerfile() -> bytes:
    """Our Dockerfile; it takes nothing from the folder it lies in."""
    return resources.files("harness.sandbox").joinpath("Dockerfile").read_bytes()


def _failed(name: str, error: str, last_words: list[str]) -> SandboxFailed:
    context = "\n".join(f"  {line}" for line in last_words)
    return SandboxFailed(
        f"building {name} failed: {error}\n{context}",
        fix="the engine must reach docker.io and the Ubuntu archive; then run the command again",
        code="sandbox.base_image",
    )
