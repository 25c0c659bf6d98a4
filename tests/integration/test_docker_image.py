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


@pytest.fixture
def use_dockerfile(monkeypatch):
    return lambda text: monkeypatch.setattr(image, "dockerfile", text.encode)


def test_every_step_is_told_and_the_image_is_there(name, base_image, docker_client, use_dockerfile):
    use_dockerfile(f"FROM {base_image}\nRUN echo working\n")
    listener = Listener()
    digest = image.build_base_image(name, progress=listener)
    assert docker_client.images.get(name).id == digest
    assert listener.notes == [f"Step 1/2 : FROM {base_image}", "Step 2/2 : RUN echo working"]


def test_a_step_that_fails_is_quoted(name, base_image, use_dockerfile):
    use_dockerfile(f"FROM {base_image}\nRUN echo no route; exit 7\n")
    with pytest.raises(SandboxFailed) as caught:
        image.build_base_image(name, progress=Listener())
    assert caught.value.code == "sandbox.base_image"
    assert "no route" in caught.value.message
