# SPDX-License-Identifier: BSD-3-Clause
"""Records a function as plain operations of tensors, what automatic differentiation computes inside
it included.

torch.jit.trace cannot hold a call of torch.autograd: it ends with an error, or keeps a part of the
derivative as a constant.  Below automatic differentiation, where torch.fx records, a derivative is
a sequence of operations like any other.
"""

from typing import Any, Callable

import torch
from torch import Tensor, nn


def recorded(function: Callable[[Tensor], Any], points: Tensor) -> nn.Module:
    """The function as a module that does the same operations, for batches of this shape."""
    from torch.fx.experimental.proxy_tensor import make_fx  # not before PyTorch 1.13

    graph = make_fx(lambda z: function(z))(points.detach())
    # They are there so that the derivative's own operations are not differentiated again.
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and node.target is torch.ops.aten.detach.default:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


class Recorded(nn.Module):
    """A module whose directions are recorded: forward at the points, inverse at their images."""

    def __init__(self, module: Any, points: Tensor, images: Tensor | None) -> None:
        super().__init__()
        self.there = recorded(module.forward, points)
        if images is not None:
            self.back = recorded(module.inverse, images)
            self.inverse = self._inverse

    def forward(self, z: Tensor) -> Any:
        return self.there(z)

    def _inverse(self, x: Tensor) -> Any:
        return self.back(x)
