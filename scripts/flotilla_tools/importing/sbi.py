# SPDX-License-Identifier: BSD-3-Clause
"""Posteriors and density estimators of sbi (sbi-dev/sbi): the flow inside, of nflows or zuko, what
embeds its context, and what the prior says.

sbi puts an affine map in front of the flow, which is a layer like any other, and a network in front
of its context: a standardisation, mostly, and then whatever the user gave.  An affine network folds
into the conditioners; any other has to be evaluated at the observation.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from flotilla_tools.arrays import Array
from flotilla_tools.importing.networks import ConversionError, Original

LARGEST_SHOWN = 12
"""Numbers of an observation or of bounds that a sentence lists."""


class Conditional(NamedTuple):
    """A flow of a library, and the network through which it sees its context."""

    flow: Original
    embedding: Original
    """A module; None where the flow sees the context itself."""
    shape: tuple[int, ...]
    """Of a context, as `embedding` takes it; () if it is not known."""
    observed: Tensor | None
    """The observation that a posterior was given by default."""
    notes: list[str]


def is_of_sbi(model: Original) -> bool:
    return any(kind.__module__.split(".")[0] == "sbi" for kind in type(model).__mro__)


def is_vector_field(model: Original) -> bool:
    """Whether a model is trained by flow matching: its flow solves an equation along its net."""
    return any(kind.__name__ == "FlowMatchingEstimator" for kind in type(model).__mro__)


def unwrapped(model: Original) -> Conditional:
    """The flow within a posterior or an estimator of sbi; any other model as it is."""
    notes, observed = [], None
    if is_of_sbi(model) and hasattr(model, "posterior_estimator"):
        notes.append(f"a {type(model).__name__} of sbi: its flow is taken, q_X(theta | x_o)")
        notes += _prior_notes(getattr(model, "prior", None))
        observed = getattr(model, "_x", None)
        model = model.posterior_estimator
    elif is_of_sbi(model) and hasattr(model, "potential_fn"):
        raise ConversionError(
            f"a {type(model).__name__} of sbi has no flow of the parameters: expected a "
            "DirectPosterior (NPE)"
        )
    embedding = getattr(model, "_embedding_net", None)
    shape = tuple(getattr(model, "condition_shape", ()))
    if is_vector_field(model):
        embedding = None  # it embeds the context itself
    elif is_of_sbi(model) and hasattr(model, "net"):
        model = model.net
        embedding = getattr(model, "_embedding_net", embedding)
    if embedding is not None and _is_identity(embedding):
        embedding = None
    return Conditional(model, embedding, shape, observed, notes)


def _is_identity(module: Original) -> bool:
    affine = affine_embedding(module)
    return affine is not None and bool(np.all(affine[0] == 1.0) and np.all(affine[1] == 0.0))


def affine_embedding(module: Original) -> tuple[Array, Array] | None:
    """(scale, shift) of a chain of Standardize and Identity; None of any other network."""
    kind = type(module).__name__
    if kind == "Identity":
        return np.ones(1), np.zeros(1)
    if kind == "Standardize":
        mean, std = (getattr(module, name).double().numpy() for name in ("_mean", "_std"))
        return np.atleast_1d(1.0 / std), np.atleast_1d(-mean / std)
    if kind != "Sequential":
        return None
    scale, shift = np.ones(1), np.zeros(1)
    for part in module:
        found = affine_embedding(part)
        if found is None:
            return None
        scale, shift = found[0] * scale, found[0] * shift + found[1]
    return scale, shift


def embedded(whole: Conditional, context: Tensor) -> Tensor:
    """What the conditioners see of contexts [draw x number], in the precision of the context."""
    if whole.embedding is None:
        return context
    shaped = context.reshape(len(context), *whole.shape) if whole.shape else context
    seen: Tensor = whole.embedding(shaped)
    return seen.reshape(len(context), -1)


def observation_in_words(whole: Conditional) -> str:
    """The default observation as --context takes it, or what to put there."""
    if whole.observed is None or whole.observed.numel() > LARGEST_SHOWN:
        return "X_O.npy"
    return ",".join(f"{value:.9g}" for value in whole.observed.reshape(-1).tolist())


# --- The prior ----------------------------------------------------------------------------------


def _prior_notes(prior: Any) -> list[str]:
    """What a flow file does not have of the prior."""
    if prior is None:
        return []
    kind = type(getattr(prior, "custom_prior", prior)).__name__
    try:
        support = prior.support
    except (AttributeError, NotImplementedError, ValueError):
        return [
            f"its prior, a {kind}, does not tell its bounds: where it has some, draws beyond them "
            "are to be left out, as sbi does"
        ]
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    low, high = (getattr(support, name, None) for name in ("lower_bound", "upper_bound"))
    if low is None and high is None:
        return [f"its prior, a {kind}, is unbounded: the flow is all of the posterior"]
    return [
        f"its prior, a {kind}, is bounded by {_listed(low)} and {_listed(high)}: the flow file has "
        "no bounds, and draws beyond them are to be left out, as sbi does"
    ]


def _listed(bound: Any) -> str:
    if bound is None:
        return "nothing"
    numbers = torch.as_tensor(bound).reshape(-1).tolist()
    shown = ", ".join(f"{value:g}" for value in numbers[:LARGEST_SHOWN])
    return f"[{shown}{', ...' if len(numbers) > LARGEST_SHOWN else ''}]"
