"""Making a base image; ours takes a registry and gigabytes, so a small Dockerfile stands in for it here."""

import uuid
from contextlib import contextmanager, suppress

import pytest

from harness.errors import SandboxFailed
from harness.sandbox import image

pytestmark = [pytest.mark.docker]


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes = []

    @contextmanager
    def step(self, title, *, total=None):
        yield lambda _amount=1, /: None

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def name(docker_client):
    import docker.errors

    name = f"wmc-test-image:{uuid.uuid4().hex[:8]}"
    yield name
    with suppress(docker.errors.ImageNotFound):
        docker_client.images.remove(name)


def test_every_step_is_told_and_the_image_is_there(name, base_image, docker_client, monkeypatch):
    monkeypatch.setattr(image, "dockerfile", lambda: f"FROM {base_image}\nRUN echo working\n".encode())
    listener = Listener()
    digest = image.build_base_image(name, progress=listener)
    assert docker_client.images.get(name).id == digest
    assert listener.notes == [f"Step 1/2 : FROM {base_image}", "Step 2/2 : RUN echo working"]


def test_a_step_that_fails_is_quoted(name, base_image, monkeypatch):
    monkeypatch.setattr(
        image, "dockerfile", lambda: f"FROM {base_image}\nRUN echo no route; exit 7\n".encode()
    )
    with pytest.raises(SandboxFailed) as caught:
        image.build_base_image(name, progress=Listener())
    assert caught.value.code == "sandbox.base_image"
    assert "no route" in caught.value.message


def test_our_dockerfile_names_its_base_by_digest_and_ends_unprivileged():
    lines = image.dockerfile().decode().splitlines()
    [base] = [line for line in lines if line.startswith("ARG BASE=")]
    assert "cuda:12.3" in base
    assert "ubuntu22.04@sha256:" in base
    assert lines[-1] == "USER 210000:210000"
