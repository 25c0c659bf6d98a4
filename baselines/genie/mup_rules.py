"""muP's optimizer rules: what is tuned at one width holds at every other.

Source: Yang et al., "Tensor Programs V" (arXiv 2203.03466), table 8, the rules for Adam, as Microsoft's `mup` applies
them: a weight with two axes that grow with the width learns at the rate divided by how much wider the model is, and
decays as much more, so that rate times decay stays. Everything else, that is embeddings, biases, norms and the readout,
whose rule is in the model's forward, learns at the rate as given.
"""

from __future__ import annotations

from typing import Any

from config import PUBLISHED_MUP_WIDTH
from model import Genie
from torch import nn


def parameter_groups(model: Genie, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """One group of an Adam-like optimizer for each rate and decay; without `use_mup` all rates are the same.

    Only matrices decay: not biases, norms and embeddings.
    """
    matrices = [module.weight for module in model.decoder.modules() if isinstance(module, nn.Linear)]
    readout = [model.out_x_proj.weight]
    known = {id(parameter) for parameter in (*matrices, *readout)}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
    wider = model.config.d_model / PUBLISHED_MUP_WIDTH if model.config.use_mup else 1.0
    return [
        {"params": matrices, "lr": learning_rate / wider, "weight_decay": weight_decay * wider},
        {"params": readout, "lr": learning_rate, "weight_decay": weight_decay},
        {"params": rest, "lr": learning_rate, "weight_decay": 0.0},
    ]
