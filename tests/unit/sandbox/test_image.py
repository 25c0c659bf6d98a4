"""The Dockerfile we ship; building one is tried in tests/integration/test_docker_image.py."""

from harness.sandbox import image


def test_our_dockerfile_names_its_base_by_digest_and_ends_unprivileged():
    lines = image.dockerfile().decode().splitlines()
    [base] = [line for line in lines if line.startswith("ARG BASE=")]
    assert "cuda:12.3" in base
    assert "ubuntu22.04@sha256:" in base
    assert lines[-1] == "USER 210000:210000"
