#!/usr/bin/python3
"""The ensemble sampler in PyTorch: an independent check of the program's statistics, and the
yardstick for its speed.

    reference_torch.py FLOW.h5 --chains 1024 --warmup 500 --draws 1000 -o RUN.h5
    reference_torch.py FLOW.h5 --kernel mala --target clipped --clip-quantile 0.7 --time

Same targets, kernels and warm-up as the program, on one process, matrix-free: all chains are one
[chain x coordinate] tensor and every Jacobian product comes from automatic differentiation.
With q_Z the flow's base density, x = f(z), J = df/dz and l = log|det J|:

    tempered     log pi(z) = log q_Z(z) - beta l(z)
    clipped      log pi(z) = log q_Z(z) - beta softplus_k(l(z) - c)
    metric-mala  z' = z + J(z)^-1 [(eps^2/2) s(z) + eps xi],  s = J^-T grad log pi
    mala         z' = z + (eps^2/2) grad log pi(z) + eps xi

A metric-MALA step costs six passes through the flow's networks: f and its product with z - z' in
one forward-mode pass at z' (two), f^-1 and its reverse pass at x' = f(z') (two), and f^-1 with its
product in one forward-mode pass at x (two).  MALA costs two.

The last line printed is `chain_steps_per_second <number>`, over the sampling phase.
"""

import argparse
import math
import sys
import time
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
import torch.autograd.forward_ad as forward_ad
import torch.nn.functional as F
from torch import nn

from flow_layers import Coupling
from flow_torch import checksum, load_flow, read_records
from threads import set_threads
from train_flow import positive

PRECISIONS = {"float": torch.float32, "double": torch.float64}
QUANTILE_DRAWS = 16384
"""Draws of q_Z whose l gives the clip level, where none is given."""


class SamplingError(ValueError):
    """A run that cannot be done as asked; the message is one sentence for the user."""


# --- The flow, fit for many small Jacobian products ---------------------------------------------


class FixedLinear(torch.autograd.Function):
    """h W^T + b, differentiated by h alone.

    The forward mode of PyTorch's own linear map multiplies by a tangent of W even where W has
    none: one matrix product in three for nothing.
    """

    @staticmethod
    def forward(ctx, h, weight, bias):
        ctx.weight = weight
        ctx.set_materialize_grads(False)
        return torch.addmm(bias, h, weight.t())

    @staticmethod
    def backward(ctx, h_bar):
        return h_bar.mm(ctx.weight), None, None

    @staticmethod
    def jvp(ctx, h_dot, weight_dot, bias_dot):
        return h_dot.mm(ctx.weight.t())


class FixedConvolution(torch.autograd.Function):
    """The same for a convolution; its reverse pass convolves with the kernel turned round."""

    @staticmethod
    def forward(ctx, h, weight, turned, bias):
        ctx.weight, ctx.turned = weight, turned
        ctx.padding = [size // 2 for size in weight.shape[2:]]
        ctx.set_materialize_grads(False)
        return F.conv2d(h, weight, bias, padding=ctx.padding)

    @staticmethod
    def backward(ctx, h_bar):
        return F.conv2d(h_bar, ctx.turned, padding=ctx.padding), None, None, None

    @staticmethod
    def jvp(ctx, h_dot, weight_dot, turned_dot, bias_dot):
        return F.conv2d(h_dot, ctx.weight, padding=ctx.padding)


class FixedMap(nn.Module):
    """A linear map of a trained network, or a convolution."""

    def __init__(self, linear):
        super().__init__()
        self.weight, self.bias = linear.weight.detach(), linear.bias.detach()
        self.turned = None
        if self.weight.ndim == 4:
            # Convolutions are fastest with the channels of a pixel side by side.
            self.weight = channels_last(self.weight)
            self.turned = channels_last(self.weight.transpose(0, 1).flip(2, 3))

    def forward(self, h):
        if self.turned is None:
            return FixedLinear.apply(h, self.weight, self.bias)
        return FixedConvolution.apply(h, self.weight, self.turned, self.bias)


def channels_last(images):
    return images.contiguous(memory_format=torch.channels_last)


class FixedCoupling(Coupling):
    """The same coupling; index_select is much faster than indexing by a tensor."""

    def __init__(self, trained):
        mask = torch.zeros(len(trained.order), dtype=torch.bool)
        mask[trained.kept] = True
        super().__init__(mask, trained.map, trained.conditioner)

    def _through(self, points, apply):
        kept = points.index_select(1, self.kept)
        theta = self.conditioner(kept).reshape(len(points), self.map.parameters, -1)
        moved, log_slope = apply(points.index_select(1, self.moved), theta)
        joined = torch.cat([kept, moved], dim=1).index_select(1, self.order)
        return joined, log_slope.sum(dim=1)


def load_fixed_flow(path, dtype, context):
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


def with_product(map_, point, tangent):
    """(image, log det, product) of a map at [n x dim] points: its Jacobian times the tangent.

    One pass of forward mode, which takes about half the time of differentiating a reverse pass.
    """
    with forward_ad.dual_level():
        image, log_det = map_(forward_ad.make_dual(point, tangent))
        image, product = forward_ad.unpack_dual(image)
        return image, forward_ad.unpack_dual(log_det).primal, product


# --- Targets ------------------------------------------------------------------------------------


class TemperedTarget:
    """log pi(z) = log q_Z(z) - beta l(z), up to a constant, from z [n x dim] and l [n]."""

    def __init__(self, base, beta):
        self.base, self.beta = base, beta

    def __call__(self, z, log_det):
        return self.base.log_density(z) - self.beta * log_det


class ClippedTarget:
    """log pi(z) = log q_Z(z) - beta softplus_k(l(z) - c): charges only where l exceeds c."""

    def __init__(self, base, beta, level, sharpness):
        self.base, self.beta, self.level, self.sharpness = base, beta, level, sharpness

    def __call__(self, z, log_det):
        # Beyond the threshold, in units of 1/k, softplus is the identity to double precision.
        excess = F.softplus(log_det - self.level, beta=self.sharpness, threshold=40.0)
        return self.base.log_density(z) - self.beta * excess


def log_det_quantile(flow, quantile, base_draws):
    """Quantile of l(z) over draws of q_Z, in nats; `base_draws(n)` gives n of them."""
    with torch.no_grad():
        log_det = torch.cat([flow(base_draws(1024))[1] for _ in range(QUANTILE_DRAWS // 1024)])
    return float(np.quantile(log_det.double().numpy(), quantile))


# --- Kernels ------------------------------------------------------------------------------------


class State(NamedTuple):
    """Latent points with all that is known there: z, x, drift [chains x dim], the others [chains].

    log_volume is log sqrt det of the kernel's metric, by which proposals are the denser.
    """

    z: torch.Tensor
    x: torch.Tensor
    drift: torch.Tensor
    log_det: torch.Tensor
    log_density: torch.Tensor
    log_volume: torch.Tensor

    def select(self, accepted, new):
        """The new state in the accepted chains, this one in the others."""
        rows = accepted[:, None]
        vectors = [torch.where(rows, b, a) for a, b in zip(self[:3], new[:3])]
        numbers = [torch.where(accepted, b, a) for a, b in zip(self[3:], new[3:])]
        return State(*vectors, *numbers)


class MetricMala:
    """Langevin dynamics under the metric J^T J; its drift is s = J^-T grad log pi."""

    def __init__(self, flow, target):
        self.flow, self.target = flow, target

    def displace(self, state, force):
        """z + J(z)^-1 force."""
        return state.z + with_product(self.flow.inverse, state.x, force)[2]

    def arrive(self, z, origin):
        """The state at z, and the force that would lead back to the origin: J(z) (origin - z)."""
        x, log_det, back = with_product(self.flow, z, origin - z)
        log_density = self.target(z, log_det)
        return State(z, x, self.drift(x), log_det, log_density, log_det), back

    def drift(self, x):
        """J^-T grad_z log pi = grad_x log pi(f^-1(x)): one reverse pass through f^-1."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            log_density = self.target(*self.flow.inverse(x))
            return torch.autograd.grad(log_density.sum(), x)[0]


class EuclideanMala:
    """Langevin dynamics under the identity metric; its drift is grad log pi."""

    def __init__(self, flow, target):
        self.flow, self.target = flow, target

    def displace(self, state, force):
        """z + force."""
        return state.z + force

    def arrive(self, z, origin):
        """The state at z, and the force that would lead back to the origin: origin - z."""
        z = z.detach().requires_grad_()
        with torch.enable_grad():
            x, log_det = self.flow(z)
            log_density = self.target(z, log_det)
            (drift,) = torch.autograd.grad(log_density.sum(), z)
        z, x, log_det, log_density = (a.detach() for a in (z, x, log_det, log_density))
        volume = torch.zeros_like(log_density)
        return State(z, x, drift, log_det, log_density, volume), origin - z


KERNELS = {"metric-mala": MetricMala, "mala": EuclideanMala}


class Outcome(NamedTuple):
    """What became of one step, all [chains]: acceptance is a probability, the others are flags."""

    acceptance: torch.Tensor
    accepted: torch.Tensor
    is_global: torch.Tensor
    diverging: torch.Tensor


class Ensemble:
    """All chains, and the random numbers that move them."""

    def __init__(self, flow, options):
        self.flow = flow
        self.chains = options.chains
        self.global_fraction = options.global_fraction
        self.dtype = PRECISIONS[options.precision]
        self.generator = torch.Generator().manual_seed(options.seed)
        self.kernel = KERNELS[options.kernel](flow, self.make_target(options))
        start = self.base_draws(self.chains)
        self.state, _ = self.kernel.arrive(start, start)
        if not bool(torch.isfinite(self.state.log_density).all()):
            raise SamplingError(
                "expected a finite log density at every starting point z ~ q_Z, found "
                "NaN or infinity: check the flow, or choose another --seed"
            )

    def make_target(self, options):
        if options.target == "tempered":
            return TemperedTarget(self.flow.base, options.beta)
        if options.clip_level is None:
            options.clip_level = log_det_quantile(self.flow, options.clip_quantile, self.base_draws)
        base = self.flow.base
        return ClippedTarget(base, options.beta, options.clip_level, options.clip_sharpness)

    def normals(self, count):
        """[count x dim] standard normal variates."""
        return torch.randn(count, self.flow.dim, generator=self.generator, dtype=self.dtype)

    def base_draws(self, count):
        """[count x dim] draws of q_Z."""
        return self.flow.base.sample(count, self.generator, self.dtype)

    def uniforms(self):
        """[chains] uniform variates, in double precision."""
        return torch.rand(self.chains, generator=self.generator, dtype=torch.float64)

    def step(self, step_size):
        """Every chain: one local move, or with the given probability a global one z' ~ q_Z."""
        old, noise = self.state, self.normals(self.chains)
        z = self.kernel.displace(old, 0.5 * step_size**2 * old.drift + step_size * noise)
        is_global = torch.zeros(self.chains, dtype=torch.bool)
        if self.global_fraction > 0:
            is_global = self.uniforms() < self.global_fraction
            z = torch.where(is_global[:, None], self.base_draws(self.chains), z)
        new, back = self.kernel.arrive(z, old.z)
        back_noise = back / step_size - 0.5 * step_size * new.drift
        # log q(z|z') - log q(z'|z), the squares in double precision: they nearly cancel.
        squares = ((noise - back_noise) * (noise + back_noise)).sum(dim=1, dtype=torch.float64)
        ratio = new.log_volume - old.log_volume + 0.5 * squares
        if self.global_fraction > 0:
            base = self.flow.base
            global_ratio = base.log_density(old.z) - base.log_density(new.z)
            ratio = torch.where(is_global, global_ratio.double(), ratio)
        return self.decide(new, new.log_density - old.log_density + ratio, is_global)

    def decide(self, new, log_alpha, is_global):
        """Metropolis-Hastings; a proposal with a non-finite value anywhere is rejected."""
        finite = torch.isfinite(log_alpha) & torch.isfinite(new.x).all(dim=1)
        log_alpha = torch.where(finite, log_alpha, log_alpha.new_tensor(-math.inf))
        acceptance = torch.exp(log_alpha.clamp(max=0.0))
        accepted = self.uniforms() < acceptance
        self.state = self.state.select(accepted, new)
        return Outcome(acceptance, accepted, is_global, ~finite)


# --- Warm-up ------------------------------------------------------------------------------------


class StepSizeAdaptation:
    """Dual averaging of log eps: Hoffman & Gelman (2014), section 3.2, one update a window."""

    gamma, t0, kappa = 0.05, 10.0, 0.75

    def __init__(self, initial, target):
        self.target = target
        self.shrink_to = math.log(10 * initial)
        self.log_step = self.log_average = math.log(initial)
        self.gap = 0.0
        self.updates = 0

    def update(self, acceptance_rate):
        """Learns from the mean acceptance probability of local moves, unless there were none."""
        if math.isnan(acceptance_rate):
            return
        self.updates += 1
        weight = 1 / (self.updates + self.t0)
        self.gap = (1 - weight) * self.gap + weight * (self.target - acceptance_rate)
        self.log_step = self.shrink_to - math.sqrt(self.updates) / self.gamma * self.gap
        self.log_step = min(max(self.log_step, -20.0), 20.0)
        forget = self.updates**-self.kappa
        self.log_average = forget * self.log_step + (1 - forget) * self.log_average

    def current(self):
        return math.exp(self.log_step)

    def frozen(self):
        return math.exp(self.log_average)


class Statistics:
    """Sums over the moves of all chains."""

    def __init__(self):
        self.local_sum = self.global_sum = torch.zeros((), dtype=torch.float64)
        self.moves = 0
        self.global_moves = self.diverging = torch.zeros((), dtype=torch.int64)

    def observe(self, outcome):
        to_global = outcome.acceptance * outcome.is_global
        self.global_sum = self.global_sum + to_global.sum()
        self.local_sum = self.local_sum + (outcome.acceptance - to_global).sum()
        self.moves += len(outcome.acceptance)
        self.global_moves = self.global_moves + outcome.is_global.sum()
        self.diverging = self.diverging + outcome.diverging.sum()

    def local_acceptance_rate(self):
        """NaN where there was no such move; so is the other."""
        return float(self.local_sum / (self.moves - self.global_moves))

    def global_acceptance_rate(self):
        return float(self.global_sum / self.global_moves)


class Window(NamedTuple):
    """One window of warm-up: the step size it used and the acceptance rates it saw."""

    step_size: float
    acceptance_rate: float
    global_acceptance_rate: float


def warm_up(ensemble, options):
    """(frozen step size, windows); what a window teaches is used one window later."""
    initial = options.step_size or ensemble.flow.dim ** (-1 / 6)
    adaptation = StepSizeAdaptation(initial, options.target_accept)
    windows = []
    for first in range(0, options.warmup, options.exchange_every):
        step_size, statistics = adaptation.current(), Statistics()
        for _ in range(min(options.exchange_every, options.warmup - first)):
            statistics.observe(ensemble.step(step_size))
        if windows and options.adapt:
            adaptation.update(windows[-1].acceptance_rate)
        local, glob = statistics.local_acceptance_rate(), statistics.global_acceptance_rate()
        windows.append(Window(step_size, local, glob))
    if windows and options.adapt:
        adaptation.update(windows[-1].acceptance_rate)
    return adaptation.frozen(), windows


# --- Sampling -----------------------------------------------------------------------------------


class Run(NamedTuple):
    """What came of a run; `draws` maps names to [draw x chain (x dim)] tensors, empty if timed."""

    step_size: float
    windows: list
    statistics: Statistics
    draws: dict
    chain_steps_per_second: float


@torch.no_grad()
def run(ensemble, options):
    step_size, windows = warm_up(ensemble, options)
    statistics = Statistics()
    draws = {} if options.time else empty_draws(ensemble, options)
    start = time.perf_counter()
    for draw in range(options.draws):
        for _ in range(options.thin):
            outcome = ensemble.step(step_size)
            statistics.observe(outcome)
        if draws:
            keep(draws, draw, ensemble.state, outcome)
    seconds = time.perf_counter() - start
    rate = options.chains * options.draws * options.thin / seconds
    return Run(step_size, windows, statistics, draws, rate)


def empty_draws(ensemble, options):
    shape = (options.draws, options.chains)
    points = {"x": ensemble.dtype, "z": ensemble.dtype}
    numbers = {"lp": torch.float64, "log_det_jacobian": torch.float64}
    numbers["acceptance_rate"] = torch.float64
    flags = dict.fromkeys(("accepted", "is_global", "diverging"), torch.int8)
    draws = {k: torch.empty(*shape, ensemble.flow.dim, dtype=t) for k, t in points.items()}
    return draws | {k: torch.empty(shape, dtype=t) for k, t in (numbers | flags).items()}


def keep(draws, draw, state, outcome):
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


def write(path, result, options):
    """Groups and attributes as the program's run file has them; opens in xarray and ArviZ."""
    record = read_records(options.flow)
    names = ("seed", "beta", "target", "kernel", "chains", "warmup", "draws", "thin", "precision")
    with h5py.File(path, "w") as file:
        file.attrs.update({name: getattr(options, name) for name in names})
        file.attrs["creation_library"] = "reference_torch.py"
        file.attrs["flow_file"] = str(options.flow)
        file.attrs["flow_checksum"] = checksum(*record)
        file.attrs["chain_steps_per_second"] = result.chain_steps_per_second
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


def write_variable(group, name, values, dims):
    """A dataset and, where they are missing, the coordinates of its dimensions."""
    dataset = group.create_dataset(name, data=values)
    if values.dtype == np.int8:
        dataset.attrs["dtype"] = "bool"
    for axis, (dim, size) in enumerate(zip(dims, values.shape)):
        if dim not in group:
            group.create_dataset(dim, data=np.arange(size, dtype=np.int64)).make_scale(dim)
        dataset.dims[axis].attach_scale(group[dim])


def report(result, options):
    """A summary; the standard errors are those of means over independent chains."""
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


def report_moments(label, values):
    """Mean and variance of [draw x chain] values."""
    centred = values - values.mean()
    for what, quantity in (("mean", values), ("variance", centred**2)):
        by_chain = quantity.mean(dim=0)
        error = float(by_chain.std()) / math.sqrt(len(by_chain))
        print(f"{label} {what} {float(by_chain.mean()):.4f} +- {error:.4f}")


# --- Command line -------------------------------------------------------------------------------


def probability(text):
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number in [0, 1], found {text}")
    return number


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("flow", type=Path, help="flow file")
    add("--context", default="", help="of a conditional flow: 0.5,-1")
    add("--chains", type=positive(int), default=1024, help="(default %(default)s)")
    add("--warmup", type=int, default=1000, help="steps (default %(default)s)")
    add("--draws", type=positive(int), default=1000, help="a chain (default %(default)s)")
    add("--thin", type=positive(int), default=1, help="steps a draw (default %(default)s)")
    add("--kernel", choices=KERNELS, default="metric-mala", help="(default %(default)s)")
    add("--target", choices=("tempered", "clipped"), default="tempered", help="(default tempered)")
    add("--beta", type=float, default=1.0, help="(default %(default)s)")
    add("--clip-level", type=float, help="c, nats (default: --clip-quantile of l)")
    add("--clip-quantile", type=probability, default=0.7, help="(default %(default)s)")
    add("--clip-sharpness", type=positive(float), default=5.0, help="k, 1/nat (default 5)")
    add("--global-fraction", type=probability, default=0.1, help="(default %(default)s)")
    add("--step-size", type=positive(float), help="to begin warm-up with (default dim^(-1/6))")
    add("--no-adapt", dest="adapt", action="store_false", help="keep it through warm-up")
    add("--target-accept", type=probability, default=0.574, help="(default %(default)s)")
    add("--exchange-every", type=positive(int), default=10, help="steps (default %(default)s)")
    add("--precision", choices=PRECISIONS, default="float", help="(default %(default)s)")
    add("--threads", type=positive(int), default=1, help="(default %(default)s)")
    add("--seed", type=int, default=1, help="(default %(default)s)")
    add("--time", action="store_true", help="keep no draws: only the speed is wanted")
    add("-o", "--output", type=Path, help="HDF5 file to write")
    options = parser.parse_args(arguments)
    if options.warmup < 0:
        parser.error(f"expected --warmup of at least 0, found {options.warmup}")
    if options.time and options.output:
        parser.error("expected --time or -o, found both: --time keeps no draws to write")
    return options


def sample(options):
    set_threads(options.threads)
    flow = load_fixed_flow(options.flow, PRECISIONS[options.precision], options.context)
    if options.output and not options.output.absolute().parent.is_dir():
        raise SamplingError(
            f"expected a directory {options.output.parent} for the draws, found none: make it"
        )
    with torch.no_grad():
        ensemble = Ensemble(flow, options)
    result = run(ensemble, options)
    if options.output:
        write(options.output, result, options)
    report(result, options)


def main():
    try:
        sample(parse())
    except (ValueError, OSError) as problem:
        sys.exit(f"reference_torch.py: {problem}")


if __name__ == "__main__":
    main()
