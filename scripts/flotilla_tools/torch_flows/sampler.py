# SPDX-License-Identifier: BSD-3-Clause
"""The ensemble sampler in PyTorch: an independent check of the program's statistics, and a
standard for its speed.

Targets, kernels and warm-up are those of the program, on one process, without matrices: all chains
are one [chain x coordinate] tensor, and automatic differentiation gives every Jacobian product.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple, Protocol, Sequence

import h5py
import numpy as np
import torch
import torch.autograd.forward_ad as forward_ad
import torch.nn.functional as F
from torch import Tensor, nn

from flotilla_tools.arrays import Array
from flotilla_tools.errors import InputError
from flotilla_tools.flow_file import checksum, read_flow_file
from flotilla_tools.hdf5_files import write_attributes
from flotilla_tools.torch_flows.bases import Base
from flotilla_tools.torch_flows.flow import Flow, load_flow
from flotilla_tools.torch_flows.layers import Coupling, Mapped
from flotilla_tools.torch_flows.computing import PRECISIONS

QUANTILE_DRAWS = 16384
"""Draws of q_Z whose l gives the clip level, where none is given."""


class Sampling(argparse.Namespace):
    """The settings of a run."""

    flow: Path
    context: str
    chains: int
    warmup: int
    draws: int
    thin: int
    kernel: str
    leapfrog_steps: int
    target: str
    beta: float
    clip_level: float | None
    clip_quantile: float
    clip_sharpness: float
    global_fraction: float
    step_size: float | None
    adapt: bool
    target_accept: float | None
    exchange_every: int
    precision: str
    seed: int
    time: bool
    output: Path | None


# --- The flow, fit for many small Jacobian products ---------------------------------------------


class FixedLinear(torch.autograd.Function):
    """h W^T + b, differentiated with respect to h alone.

    PyTorch's own linear map multiplies by a tangent of W in forward mode even if W has none. That
    wastes one matrix product in three.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.weight = weight
        ctx.set_materialize_grads(False)
        return torch.addmm(bias, h, weight.t())

    @staticmethod
    def backward(ctx: Any, h_bar: Tensor) -> Any:
        return h_bar.mm(ctx.weight), None, None

    @staticmethod
    def jvp(ctx: Any, h_dot: Tensor, weight_dot: Tensor, bias_dot: Tensor) -> Tensor:
        return h_dot.mm(ctx.weight.t())


class FixedConvolution(torch.autograd.Function):
    """The same for a convolution. Its reverse pass uses the kernel turned by 180 degrees."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, turned: Tensor, bias: Tensor) -> Tensor:
        ctx.weight, ctx.turned = weight, turned
        ctx.padding = [size // 2 for size in weight.shape[2:]]
        ctx.set_materialize_grads(False)
        return F.conv2d(h, weight, bias, padding=ctx.padding)

    @staticmethod
    def backward(ctx: Any, h_bar: Tensor) -> Any:
        return F.conv2d(h_bar, ctx.turned, padding=ctx.padding), None, None, None

    @staticmethod
    def jvp(
        ctx: Any, h_dot: Tensor, weight_dot: Tensor, turned_dot: Tensor, bias_dot: Tensor
    ) -> Tensor:
        return F.conv2d(h_dot, ctx.weight, padding=ctx.padding)


class FixedMap(nn.Module):
    """A linear map of a trained network, or a convolution."""

    def __init__(self, linear: Any) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight.detach(), linear.bias.detach()
        self.turned = None
        if self.weight.ndim == 4:
            # Convolutions are fastest if the channels of a pixel are adjacent.
            self.weight = channels_last(self.weight)
            self.turned = channels_last(self.weight.transpose(0, 1).flip(2, 3))

    def forward(self, h: Tensor) -> Tensor:
        if self.turned is None:
            return FixedLinear.apply(h, self.weight, self.bias)
        return FixedConvolution.apply(h, self.weight, self.turned, self.bias)


def channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


class FixedCoupling(Coupling):
    """The same coupling; index_select is much faster than indexing by a tensor."""

    def __init__(self, trained: Coupling) -> None:
        mask = torch.zeros(len(trained.order), dtype=torch.bool)
        mask[trained.kept] = True
        super().__init__(mask, trained.map, trained.conditioner)

    def _through(self, points: Tensor, apply: Callable[..., Mapped]) -> Mapped:
        kept = points.index_select(1, self.kept)
        theta = self.conditioner(kept).reshape(len(points), self.map.parameters, -1)
        moved, log_slope = apply(points.index_select(1, self.moved), theta)
        joined = torch.cat([kept, moved], dim=1).index_select(1, self.order)
        return joined, log_slope.sum(dim=1)


def load_fixed_flow(path: Path, dtype: torch.dtype, context: str) -> Flow:
    """The flow in `path` with its couplings and conditioners in their fast form."""
    flow = load_flow(path, dtype, context)
    for parent in list(flow.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, Coupling):
                setattr(parent, name, FixedCoupling(layer))
    for module in flow.modules():
        if hasattr(module, "maps"):
            module.maps = nn.ModuleList(map(FixedMap, module.maps))
    return flow


def with_product(
    map_: Callable[[Tensor], Mapped], point: Tensor, tangent: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(image, log det, product) of a map at [n x dim] points: its Jacobian times the tangent.

    One pass of forward mode. It takes about half the time of differentiating a reverse pass.
    """
    with forward_ad.dual_level():
        image, log_det = map_(forward_ad.make_dual(point, tangent))
        image, product = forward_ad.unpack_dual(image)
        return image, forward_ad.unpack_dual(log_det).primal, product


# --- Targets ------------------------------------------------------------------------------------


Target = Callable[[Tensor, Tensor], Tensor]
"""log pi(z) [n], up to a constant, from z [n x dim] and l [n]."""


class TemperedTarget:
    """log pi(z) = log q_Z(z) - beta l(z), up to a constant, from z [n x dim] and l [n]."""

    def __init__(self, base: Base, beta: float) -> None:
        self.base, self.beta = base, beta

    def __call__(self, z: Tensor, log_det: Tensor) -> Tensor:
        return self.base.log_density(z) - self.beta * log_det


class ClippedTarget:
    """log pi(z) = log q_Z(z) - beta softplus_k(l(z) - c): penalises only points with l above c."""

    def __init__(self, base: Base, beta: float, level: float, sharpness: float) -> None:
        self.base, self.beta, self.level, self.sharpness = base, beta, level, sharpness

    def __call__(self, z: Tensor, log_det: Tensor) -> Tensor:
        # Beyond the threshold, in units of 1/k, softplus is the identity to double precision.
        excess = F.softplus(log_det - self.level, beta=self.sharpness, threshold=40.0)
        return self.base.log_density(z) - self.beta * excess


def log_det_quantile(flow: Flow, quantile: float, base_draws: Callable[[int], Tensor]) -> float:
    """Quantile of l(z) over draws of q_Z, in nats; `base_draws(n)` gives n of them."""
    with torch.no_grad():
        log_det = torch.cat([flow(base_draws(1024))[1] for _ in range(QUANTILE_DRAWS // 1024)])
    return float(np.quantile(log_det.double().numpy(), quantile))


# --- Kernels ------------------------------------------------------------------------------------


class State(NamedTuple):
    """Latent points with all that is known there: z, x, drift [chains x dim], the others [chains].

    log_volume is log sqrt det of the kernel's metric: the log density of proposals grows with it.
    """

    z: torch.Tensor
    x: torch.Tensor
    drift: torch.Tensor
    log_det: torch.Tensor
    log_density: torch.Tensor
    log_volume: torch.Tensor

    def select(self, accepted: Tensor, new: "State") -> "State":
        """The new state for accepted chains, this state for the others."""
        rows = accepted[:, None]
        vectors = [torch.where(rows, b, a) for a, b in zip(self[:3], new[:3])]
        numbers = [torch.where(accepted, b, a) for a, b in zip(self[3:], new[3:])]
        return State(*vectors, *numbers)


class Kernel(Protocol):
    """A local move: where its drift leads, and the state at the new point."""

    def displace(self, state: State, force: Tensor) -> Tensor:
        """The point that the force leads to."""

    def arrive(self, z: Tensor, origin: Tensor) -> tuple[State, Tensor]:
        """The state at z, and the force that would lead back to the origin."""


class MetricMala:
    """Langevin dynamics under the metric J^T J; its drift is s = J^-T grad log pi."""

    def __init__(self, flow: Flow, target: Target) -> None:
        self.flow, self.target = flow, target

    def displace(self, state: State, force: Tensor) -> Tensor:
        """z + J(z)^-1 force."""
        return state.z + with_product(self.flow.inverse, state.x, force)[2]

    def arrive(self, z: Tensor, origin: Tensor) -> tuple[State, Tensor]:
        """The state at z, and the force that would lead back to the origin: J(z) (origin - z)."""
        x, log_det, back = with_product(self.flow, z, origin - z)
        log_density = self.target(z, log_det)
        return State(z, x, self.drift(x), log_det, log_density, log_det), back

    def drift(self, x: Tensor) -> Tensor:
        """J^-T grad_z log pi = grad_x log pi(f^-1(x)): one reverse pass through f^-1."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            log_density = self.target(*self.flow.inverse(x))
            return torch.autograd.grad(log_density.sum(), x)[0]


class EuclideanMala:
    """Langevin dynamics under the identity metric; its drift is grad log pi.

    A step of Hamiltonian dynamics ends with it, after the other leapfrog steps of its trajectory.
    """

    def __init__(self, flow: Flow, target: Target) -> None:
        self.flow, self.target = flow, target

    def displace(self, state: State, force: Tensor) -> Tensor:
        """z + force."""
        return state.z + force

    def arrive(self, z: Tensor, origin: Tensor) -> tuple[State, Tensor]:
        """The state at z, and the force that would lead back to the origin: origin - z."""
        z = z.detach().requires_grad_()
        with torch.enable_grad():
            x, log_det = self.flow(z)
            log_density = self.target(z, log_det)
            (drift,) = torch.autograd.grad(log_density.sum(), z)
        z, x, log_det, log_density = (a.detach() for a in (z, x, log_det, log_density))
        volume = torch.zeros_like(log_density)
        return State(z, x, drift, log_det, log_density, volume), origin - z


KERNELS: dict[str, Callable[[Flow, Target], Kernel]] = {
    "metric-mala": MetricMala,
    "mala": EuclideanMala,
    "hmc": EuclideanMala,
}

TARGET_ACCEPT = {"metric-mala": 0.574, "mala": 0.574, "hmc": 0.7}
"""Acceptance rates that warm-up aims at by default."""


def leapfrog(
    kernel: Kernel, state: State, momentum: Tensor, step_size: float
) -> tuple[State, Tensor]:
    """(state, momentum) after a leapfrog step under the identity metric."""
    halfway = momentum + 0.5 * step_size * state.drift
    new, _ = kernel.arrive(state.z + step_size * halfway, state.z)
    return new, halfway + 0.5 * step_size * new.drift


class Outcome(NamedTuple):
    """The outcome of one step, all [chains]: acceptance is a probability, the others are flags."""

    acceptance: torch.Tensor
    accepted: torch.Tensor
    is_global: torch.Tensor
    diverging: torch.Tensor


class Ensemble:
    """All chains, and the random numbers that move them."""

    def __init__(self, flow: Flow, options: Sampling) -> None:
        self.flow = flow
        self.chains = options.chains
        self.global_fraction = options.global_fraction
        self.leapfrog_steps = options.leapfrog_steps if options.kernel == "hmc" else None
        self.gradients = 0  # of each chain
        self.dtype = PRECISIONS[options.precision]
        self.generator = torch.Generator().manual_seed(options.seed)
        self.kernel = KERNELS[options.kernel](flow, self.make_target(options))
        start = self.base_draws(self.chains)
        self.state, _ = self.kernel.arrive(start, start)
        if not bool(torch.isfinite(self.state.log_density).all()):
            raise InputError(
                "expected a finite log density at every starting point z ~ q_Z, found "
                "NaN or infinity: check the flow, or choose another --seed"
            )

    def make_target(self, options: Sampling) -> Target:
        if options.target == "tempered":
            return TemperedTarget(self.flow.base, options.beta)
        if options.clip_level is None:
            options.clip_level = log_det_quantile(self.flow, options.clip_quantile, self.base_draws)
        base = self.flow.base
        return ClippedTarget(base, options.beta, options.clip_level, options.clip_sharpness)

    def normals(self, count: int) -> Tensor:
        """[count x dim] standard normal variates."""
        return torch.randn(count, self.flow.dim, generator=self.generator, dtype=self.dtype)

    def base_draws(self, count: int) -> Tensor:
        """[count x dim] draws of q_Z."""
        return self.flow.base.sample(count, self.generator, self.dtype)

    def uniforms(self) -> Tensor:
        """[chains] uniform variates, in double precision."""
        return torch.rand(self.chains, generator=self.generator, dtype=torch.float64)

    def draw_trajectory(self, step_size: float) -> tuple[int, float]:
        """(number of leapfrog steps, their size), of all chains alike: the batch stays whole.

        A trajectory's length is uniform within half of the usual one about it. Its steps are as
        long as can be, at most `step_size`.
        """
        if self.leapfrog_steps is None:
            return 1, step_size
        length = self.leapfrog_steps * float(0.5 + torch.rand((), generator=self.generator))
        return math.ceil(length), step_size * length / math.ceil(length)

    def step(self, step_size: float) -> Outcome:
        """Moves every chain once: locally, or with the given probability globally, z' ~ q_Z."""
        old, noise = self.state, self.normals(self.chains)
        leapfrog_steps, step_size = self.draw_trajectory(step_size)
        self.gradients += leapfrog_steps
        last, momentum = old, noise
        for _ in range(leapfrog_steps - 1):
            last, momentum = leapfrog(self.kernel, last, momentum, step_size)
        z = self.kernel.displace(last, 0.5 * step_size**2 * last.drift + step_size * momentum)
        is_global = torch.zeros(self.chains, dtype=torch.bool)
        if self.global_fraction > 0:
            is_global = self.uniforms() < self.global_fraction
            z = torch.where(is_global[:, None], self.base_draws(self.chains), z)
        new, back = self.kernel.arrive(z, last.z)
        back_noise = back / step_size - 0.5 * step_size * new.drift
        # log q(z|z') - log q(z'|z), the squares in double precision: they nearly cancel.
        squares = ((noise - back_noise) * (noise + back_noise)).sum(dim=1, dtype=torch.float64)
        ratio = new.log_volume - old.log_volume + 0.5 * squares
        if self.global_fraction > 0:
            base = self.flow.base
            global_ratio = base.log_density(old.z) - base.log_density(new.z)
            ratio = torch.where(is_global, global_ratio.double(), ratio)
        return self.decide(new, new.log_density - old.log_density + ratio, is_global)

    def decide(self, new: State, log_alpha: Tensor, is_global: Tensor) -> Outcome:
        """Metropolis-Hastings; a proposal with a non-finite value anywhere is rejected."""
        finite = torch.isfinite(log_alpha) & torch.isfinite(new.x).all(dim=1)
        log_alpha = torch.where(finite, log_alpha, log_alpha.new_tensor(-math.inf))
        acceptance = torch.exp(log_alpha.clamp(max=0.0))
        accepted = self.uniforms() < acceptance
        self.state = self.state.select(accepted, new)
        return Outcome(acceptance, accepted, is_global, ~finite)


# --- Warm-up ------------------------------------------------------------------------------------


FEWEST_WINDOWS = 20  # of a warm-up; a shorter one has windows of a step


class StepSizeAdaptation:
    """The step size at which moves are accepted as often as wanted, by regression.

    A line through (log eps, acceptance rate) of the windows so far is solved for the target; see
    adaptation in src/README.md.
    """

    memory, slope, prior, steepest, flattest = 200.0, -0.35, 0.02, -0.8, -0.12

    def __init__(self, initial: float, target: float) -> None:
        self.target = target
        self.log_step = math.log(initial)
        self.log_tried: float | None = None
        self.sums = [0.0] * 5
        self.updates = 0

    def update(self, used: float, acceptance_rate: float) -> None:
        """Adapts to the mean acceptance probability of a window's local moves, if there were any.

        `used` is the step size that the window was run with.
        """
        if math.isnan(acceptance_rate):
            return
        u, a = math.log(used), acceptance_rate
        self.updates += 1
        keep = 1 - 1 / (1 + min(self.updates / 2, self.memory))
        new = (1.0, u, a, u * u, u * a)
        self.sums = [keep * old + one for old, one in zip(self.sums, new, strict=True)]
        mean_u, mean_a, mean_uu, mean_ua = (total / self.sums[0] for total in self.sums[1:])
        steepness = (mean_ua - mean_u * mean_a + self.prior * self.slope) / (
            mean_uu - mean_u * mean_u + self.prior
        )
        slope = min(max(steepness, self.steepest), self.flattest)
        reach = 1.0 if a > 0 else 2.0
        solution = mean_u + (self.target - mean_a) / slope
        self.log_step = min(max(solution, u - reach, -20.0), u + reach, 20.0)
        if a > 0 and (
            self.log_tried is None
            or abs(u - self.log_step) <= abs(self.log_tried - self.log_step)
        ):
            self.log_tried = u

    def current(self) -> float:
        return math.exp(self.log_step)

    def frozen(self) -> float:
        """Of the step sizes that were tried and accepted, the one nearest to the solution."""
        return math.exp(self.log_step if self.log_tried is None else self.log_tried)


class Statistics:
    """Sums over the moves of all chains."""

    def __init__(self) -> None:
        self.local_sum = self.global_sum = torch.zeros((), dtype=torch.float64)
        self.moves = 0
        self.global_moves = self.diverging = torch.zeros((), dtype=torch.int64)

    def observe(self, outcome: Outcome) -> None:
        to_global = outcome.acceptance * outcome.is_global
        self.global_sum = self.global_sum + to_global.sum()
        self.local_sum = self.local_sum + (outcome.acceptance - to_global).sum()
        self.moves += len(outcome.acceptance)
        self.global_moves = self.global_moves + outcome.is_global.sum()
        self.diverging = self.diverging + outcome.diverging.sum()

    def local_acceptance_rate(self) -> float:
        """Mean acceptance probability of local moves; NaN without local moves."""
        return float(self.local_sum / (self.moves - self.global_moves))

    def global_acceptance_rate(self) -> float:
        return float(self.global_sum / self.global_moves)


class Window(NamedTuple):
    """One window of warm-up: the step size it used and the acceptance rates it saw."""

    step_size: float
    acceptance_rate: float
    global_acceptance_rate: float


def warm_up(ensemble: Ensemble, options: Sampling) -> tuple[float, list[Window]]:
    """(frozen step size, windows). The statistics of a window are used one window later."""
    initial = options.step_size or ensemble.flow.dim ** (-1 / 6)
    wanted = options.target_accept
    if wanted is None:
        wanted = TARGET_ACCEPT[options.kernel]
    adaptation = StepSizeAdaptation(initial, wanted)
    windows: list[Window] = []
    length = min(options.exchange_every, max(1, options.warmup // FEWEST_WINDOWS))
    for first in range(0, options.warmup, length):
        step_size, statistics = adaptation.current(), Statistics()
        for _ in range(min(length, options.warmup - first)):
            statistics.observe(ensemble.step(step_size))
        if windows and options.adapt:
            adaptation.update(windows[-1].step_size, windows[-1].acceptance_rate)
        local, glob = statistics.local_acceptance_rate(), statistics.global_acceptance_rate()
        windows.append(Window(step_size, local, glob))
    if windows and options.adapt:
        adaptation.update(windows[-1].step_size, windows[-1].acceptance_rate)
    return adaptation.frozen(), windows


# --- Sampling -----------------------------------------------------------------------------------


class Run(NamedTuple):
    """The result of a run. `draws` maps names to [draw x chain (x dim)] tensors; empty if timed.

    Times are those of the sampling phase, in seconds; `gradients` are those of each chain in it.
    """

    step_size: float
    windows: list[Window]
    statistics: Statistics
    draws: dict[str, Tensor]
    seconds: float
    cpu_seconds: float
    gradients: int
    chain_steps_per_second: float


def sample(options: Sampling) -> Run:
    """Samples the flow with these settings."""
    flow = load_fixed_flow(options.flow, PRECISIONS[options.precision], options.context)
    with torch.no_grad():
        ensemble = Ensemble(flow, options)
    return run(ensemble, options)


@torch.no_grad()
def run(ensemble: Ensemble, options: Sampling) -> Run:
    step_size, windows = warm_up(ensemble, options)
    statistics = Statistics()
    draws = {} if options.time else empty_draws(ensemble, options)
    gradients = ensemble.gradients
    start, cpu_start = time.perf_counter(), time.process_time()
    for draw in range(options.draws):
        for _ in range(options.thin):
            outcome = ensemble.step(step_size)
            statistics.observe(outcome)
        if draws:
            keep(draws, draw, ensemble.state, outcome)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    gradients = ensemble.gradients - gradients
    rate = options.chains * options.draws * options.thin / seconds
    return Run(step_size, windows, statistics, draws, seconds, cpu_seconds, gradients, rate)


def empty_draws(ensemble: Ensemble, options: Sampling) -> dict[str, Tensor]:
    shape = (options.draws, options.chains)
    points = {"x": ensemble.dtype, "z": ensemble.dtype}
    numbers = {"lp": torch.float64, "log_det_jacobian": torch.float64}
    numbers["acceptance_rate"] = torch.float64
    flags = dict.fromkeys(("accepted", "is_global", "diverging"), torch.int8)
    draws = {k: torch.empty(*shape, ensemble.flow.dim, dtype=t) for k, t in points.items()}
    return draws | {k: torch.empty(shape, dtype=t) for k, t in (numbers | flags).items()}


def keep(draws: dict[str, Tensor], draw: int, state: State, outcome: Outcome) -> None:
    draws["x"][draw] = state.x
    draws["z"][draw] = state.z
    draws["lp"][draw] = state.log_density
    draws["log_det_jacobian"][draw] = state.log_det
    draws["acceptance_rate"][draw] = outcome.acceptance
    draws["accepted"][draw] = outcome.accepted
    draws["is_global"][draw] = outcome.is_global
    draws["diverging"][draw] = outcome.diverging


# --- Output -------------------------------------------------------------------------------------


GROUPS = {"x": "posterior", "z": "unconstrained_posterior"}


def write(path: Path, result: Run, options: Sampling) -> None:
    """Writes groups and attributes as in a run file of the program, for xarray and ArviZ."""
    record = read_flow_file(options.flow)
    names = ("seed", "beta", "target", "kernel", "chains", "warmup", "draws", "thin", "precision")
    with h5py.File(path, "w") as file:
        facts = {
            **{name: getattr(options, name) for name in names},
            "creation_library": "reference_torch.py",
            "flow_file": str(options.flow),
            "flow_checksum": checksum(record),
            "chain_steps_per_second": result.chain_steps_per_second,
            "sampling_seconds": result.seconds,
            "sampling_cpu_seconds": result.cpu_seconds,
            "gradients_per_step": result.gradients / (options.draws * options.thin),
        }
        write_attributes(file, facts)
        file["draws_committed"] = np.int64(options.draws)
        for name, values in result.draws.items():
            values = values.transpose(0, 1).numpy()
            group = file.require_group(GROUPS.get(name, "sample_stats"))
            dims = ["chain", "draw"] + [f"{name}_dim_0"] * (values.ndim - 2)
            write_variable(group, name, values, dims)
        shape = (options.chains, options.draws)
        step_size = np.full(shape, result.step_size)
        write_variable(file["sample_stats"], "step_size", step_size, ["chain", "draw"])
        for name in Window._fields:
            values = np.array([getattr(window, name) for window in result.windows])
            write_variable(file.require_group("adaptation"), name, values, ["window"])


def write_variable(group: h5py.Group, name: str, values: Array, dims: Sequence[str]) -> None:
    """Writes a dataset, and the coordinates of its dimensions if they are missing."""
    dataset = group.create_dataset(name, data=values)
    if values.dtype == np.int8:
        write_attributes(dataset, {"dtype": "bool"})
    for axis, (dim, size) in enumerate(zip(dims, values.shape)):
        if dim not in group:
            group.create_dataset(dim, data=np.arange(size, dtype=np.int64)).make_scale(dim)
        dataset.dims[axis].attach_scale(group[dim])


def report(result: Run, options: Sampling) -> None:
    """Prints a summary. Standard errors are those of means over independent chains."""
    print(f"{options.flow}: {options.kernel}, {options.target} target, beta {options.beta:g}")
    if options.target == "clipped":
        level, sharpness = options.clip_level, options.clip_sharpness
        print(f"clip level {level:.4g} nats, sharpness {sharpness:g} per nat")
    statistics = result.statistics
    print(f"step size {result.step_size:.4g}")
    print(f"acceptance rate {statistics.local_acceptance_rate():.4f} of local moves")
    if options.global_fraction > 0:
        print(f"acceptance rate {statistics.global_acceptance_rate():.4f} of global moves")
    print(f"{int(statistics.diverging)} proposals with a non-finite value")
    for name in ("z", "x") if result.draws else ():
        for i in range(min(3, result.draws[name].shape[2])):
            report_moments(f"{name}_{i}", result.draws[name][:, :, i].double())
    print(f"chain_steps_per_second {result.chain_steps_per_second:.6g}")


def report_moments(label: str, values: Tensor) -> None:
    """Mean and variance of [draw x chain] values."""
    centred = values - values.mean()
    for what, quantity in (("mean", values), ("variance", centred**2)):
        by_chain = quantity.mean(dim=0)
        error = float(by_chain.std()) / math.sqrt(len(by_chain))
        print(f"{label} {what} {float(by_chain.mean()):.4f} +- {error:.4f}")
