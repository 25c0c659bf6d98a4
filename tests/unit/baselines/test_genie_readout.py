"""The loss without logits is the loss with them, gradients too, however few rows it takes at a time."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.torch

ROWS, WIDTH, VALUES = 11, 6, 5


@pytest.fixture
def readout(torch, genie, monkeypatch):
    """The module, four rows at a time."""
    module = genie("readout")
    monkeypatch.setattr(module, "CPU_ROWS", 4)
    return module


@pytest.fixture
def given(torch):
    """x [R,D], weight [C,D], bias [C], target [R,F]."""
    dice = torch.Generator().manual_seed(0)
    x_RD, weight_CD, bias_C = (
        (3 * torch.randn(shape, generator=dice)).requires_grad_()
        for shape in ((ROWS, WIDTH), (2 * VALUES, WIDTH), (2 * VALUES,))
    )
    return x_RD, weight_CD, bias_C, torch.randint(VALUES, (ROWS, 2), generator=dice)


def plainly(torch, x_RD, weight_CD, bias_C, target_RF):
    """Loss and right rows, from all logits at once."""
    logits_RFV = torch.nn.functional.linear(x_RD, weight_CD, bias_C).view(len(x_RD), 2, VALUES)
    nats = torch.nn.functional.cross_entropy(logits_RFV.flatten(0, 1), target_RF.flatten(), reduction="sum")
    return nats, (logits_RFV.argmax(-1) == target_RF).all(-1).sum()


def test_loss_and_gradients_are_those_of_all_logits_at_once(torch, readout, given):
    nats, right = readout.loss_and_right(*given)
    expected_nats, expected_right = plainly(torch, *given)
    torch.testing.assert_close(nats, expected_nats)
    assert right == expected_right
    found = torch.autograd.grad(2 * nats, given[:3])
    for gradient, expected in zip(found, torch.autograd.grad(2 * expected_nats, given[:3]), strict=True):
        torch.testing.assert_close(gradient, expected)


def test_rows_that_are_right_are_counted(torch, readout, given):
    x_RD, weight_CD, bias_C, _ = given
    logits_RFV = torch.nn.functional.linear(x_RD, weight_CD, bias_C).view(ROWS, 2, VALUES)
    target_RF = logits_RFV.argmax(-1)
    target_RF[3, 1] = (target_RF[3, 1] + 1) % VALUES
    target_RF[7] = (target_RF[7] + 1) % VALUES
    assert readout.loss_and_right(x_RD, weight_CD, bias_C, target_RF)[1] == ROWS - 2


def test_large_logits_do_not_overflow(torch, readout, given):
    x_RD, weight_CD, bias_C, target_RF = given
    nats, _ = readout.loss_and_right(1000 * x_RD, weight_CD, bias_C, target_RF)
    torch.testing.assert_close(nats, plainly(torch, 1000 * x_RD, weight_CD, bias_C, target_RF)[0])
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(nats, given[:3]))


def test_no_rows_give_nothing(torch, readout, given):
    x_RD, weight_CD, bias_C, target_RF = given
    nats, right = readout.loss_and_right(x_RD[:0], weight_CD, bias_C, target_RF[:0])
    assert (nats.item(), right.item()) == (0, 0)
    assert not any(gradient.any() for gradient in torch.autograd.grad(nats, given[:3]))


def test_it_is_float32_whatever_is_around_it(torch, readout, given):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        nats, _ = readout.loss_and_right(*given)
    assert nats.dtype == torch.float32
    torch.testing.assert_close(nats, plainly(torch, *given)[0])


def test_without_gradients_none_are_made(torch, readout, given):
    with torch.no_grad():
        nats, _ = readout.loss_and_right(*given)
    assert nats.grad_fn is None
    torch.testing.assert_close(nats, plainly(torch, *given)[0].detach())
