# SPDX-License-Identifier: BSD-3-Clause
"""Posteriors of posteriordb: draws of the program against the reference draws, and its speed."""

import contextlib
import io
import json
import math
import re
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import numpy as np

from flotilla_tools import refining
from flotilla_tools.arrays import Array
from flotilla_tools.errors import InputError
from flotilla_tools.hdf5_files import dataset, opened
from flotilla_tools.program import IN_A_CLONE, one_machine, run
from flotilla_tools.run_draws import committed

POSTERIORS: Mapping[str, int] = {
    "arK-arK": 7,
    "arma-arma11": 4,
    "eight_schools-eight_schools_noncentered": 10,
    "garch-garch11": 4,
    "gp_pois_regr-gp_pois_regr": 13,
    "gp_pois_regr-gp_regr": 3,
    "hmm_example-hmm_example": 4,
    "hudson_lynx_hare-lotka_volterra": 8,
    "kidiq-kidscore_interaction": 5,
    "low_dim_gauss_mix-low_dim_gauss_mix": 5,
}
"""Those that apps/densities/posteriordb has, as posteriordb names them (data, then model), and
their unconstrained coordinates."""

SOURCE = IN_A_CLONE / "apps/densities/posteriordb"
STAN = Path(__file__).with_name("stan.R")


REFINING: Mapping[str, Any] = {
    "target": "explicit",
    "flow": None,
    "growth": 1.1,
    "final_draws": None,
    "max_minutes": 5.0,
    "patience": 20,
    "train_size": 50000,
    "batch_size": 1024,
    "learning_rate": 1e-3,
    "threads": 1,
}
"""How a flow is refined for the table, where that is no option of it."""


class Options(refining.Options):
    """Where the posteriors are, and how they are sampled."""

    database: Path
    names: list[str]
    chains: int
    warmup: int
    draws: int
    stan: bool


# --- posteriordb --------------------------------------------------------------------------------


def unzipped(path: Path) -> Any:
    """What the JSON file in PATH.zip holds."""
    if not path.is_file():
        raise InputError(
            f"expected posteriordb's {path}, found no such file: give its posterior_database"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open(archive.namelist()[0]) as file:
                return json.load(io.TextIOWrapper(file, "utf-8"))
    except (zipfile.BadZipFile, IndexError, ValueError) as error:
        raise InputError(f"{path}: expected JSON in a zip file, found {error}: copy it again")


def reference(database: Path, name: str) -> dict[str, Array]:
    """Reference draws of a posterior: values [draw] of each parameter, as good as independent."""
    folder = database / "reference_posteriors/draws/draws"
    chains = unzipped(folder / f"{name}.json.zip")
    return {key: np.concatenate([chain[key] for chain in chains]) for key in chains[0]}


def write_data(database: Path, name: str, path: Path) -> None:
    data = name.split("-")[0]
    path.write_text(json.dumps(unzipped(database / f"data/data/{data}.json.zip")))


# --- Moments with their errors ------------------------------------------------------------------


class Moments(NamedTuple):
    """The mean and the standard deviation of a quantity, each with its standard error."""

    mean: float
    mean_error: float
    deviation: float
    deviation_error: float


def independent_moments(values: Array) -> Moments:
    """Of independent values [draw]."""
    return chain_moments(values[:, None])


def chain_moments(values: Array) -> Moments:
    """Of draws [chain x draw]; errors are those between chains, which are independent."""
    chains = len(values)
    mean = float(values.mean())
    squares = (values - mean) ** 2
    deviation = math.sqrt(float(squares.mean()))
    error = values.mean(axis=1).std(ddof=1) / math.sqrt(chains)
    squares_error = squares.mean(axis=1).std(ddof=1) / math.sqrt(chains)
    return Moments(mean, float(error), deviation, float(squares_error) / (2 * deviation))


class Distance(NamedTuple):
    """How far two sets of moments lie apart, in joint standard errors, at most."""

    mean: float
    deviation: float


def distance(found: Mapping[str, Moments], true: Mapping[str, Moments]) -> Distance:
    """Over all quantities of the reference."""
    if missing := set(true) - set(found):
        raise InputError(f"expected a density with the outputs {sorted(missing)}, found none")
    return Distance(
        max(
            abs(found[key].mean - one.mean) / math.hypot(found[key].mean_error, one.mean_error)
            for key, one in true.items()
        ),
        max(
            abs(found[key].deviation - one.deviation)
            / math.hypot(found[key].deviation_error, one.deviation_error)
            for key, one in true.items()
        ),
    )


def moments_of_run(path: Path, names: Sequence[str]) -> dict[str, Moments]:
    """Of the quantities that posteriordb calls `names`, as in "theta[2]"."""
    found = {}
    with opened(path, "a run file of flotilla sample") as file:
        for name in names:
            variable, *place = re.findall(r"\w+", name)
            array = dataset(file, f"posterior/{variable}", 2 + len(place))
            index = tuple(int(one) - 1 for one in place)
            draws = array[(slice(None), slice(0, committed(file, array.shape[1])), *index)]
            found[name] = chain_moments(np.asarray(draws, float))
    return found


# --- Runs ---------------------------------------------------------------------------------------


class Yield(NamedTuple):
    """Effective draws, of the quantity that has the fewest, and how right they are."""

    per_gradient: float
    per_second: float
    rhat: float
    distance: Distance | None  # None if only speed is known


class Row(NamedTuple):
    """A posterior: through a flow that has learnt nothing, through a trained one, and by Stan."""

    name: str
    identity: Yield
    refined: Yield
    stan: Yield | None


def build_library(folder: Path) -> Path:
    """Builds the posteriors as one density library."""
    environment = one_machine()
    run(["cmake", "-S", str(SOURCE), "-B", str(folder)], environment)
    run(["cmake", "--build", str(folder)], environment)
    return folder / "posteriors.so"


def rows(options: Options) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        library = build_library(Path(folder) / "build")
        for name in options.names:
            print(f"measuring {name}", file=sys.stderr, flush=True)
            place = Path(folder) / name
            place.mkdir()
            yield row(name, library, place, options)


def row(name: str, library: Path, folder: Path, options: Options) -> Row:
    true = reference(options.database, name)
    expected = {key: independent_moments(draws) for key, draws in true.items()}
    data = folder / "data.json"
    write_data(options.database, name, data)
    model = name.split("-")[1]
    stan = by_stan(options.database / f"models/stan/{model}.stan", data, folder, options)
    own = {
        "density": str(library),
        "density_args": f"{model} {data}",
        "dim": POSTERIORS[name],
        "output": folder / "rounds",
    }
    with contextlib.redirect_stdout(sys.stderr):
        rounds = refining.refine(refining.Options(**{**vars(options), **own}))

    def found(one: refining.Round) -> Yield:
        moments = moments_of_run(one.run, list(expected))
        return Yield(one.per_gradient, one.per_second, one.rhat, distance(moments, expected))

    return Row(name, found(rounds[0]), found(rounds[-1]), stan)


def by_stan(model: Path, data: Path, folder: Path, options: Options) -> Yield | None:
    """Stan with its defaults, through R; None if that is not wanted."""
    if not options.stan:
        return None
    script = folder / model.name
    script.write_text(for_old_stan(model.read_text()))
    words = ["Rscript", str(STAN), str(script), str(data), str(options.seed)]
    found = json.loads(run(words, one_machine()).splitlines()[-1])
    smallest = min(found["ess"].values())
    return Yield(smallest / found["gradients"], smallest / found["seconds"], found["rhat"], None)


def for_old_stan(model: str) -> str:
    """A model in today's language for the Stan of Debian's R, which knows no `array`."""
    model = re.sub(r"array\[([ ,]*)\] (\w+) (\w+)", r"\2[\1] \3", model)  # of functions
    return re.sub(r"array\[([^]]*)\] (\w+(?:\[\w+\])?(?:<[^>]*>)?) (\w+)", r"\2 \3[\1]", model)


# --- The table ----------------------------------------------------------------------------------


HEADER = (
    "posterior",
    "dim",
    "identity: ESS per gradient, second",
    "R-hat",
    "mean, deviation off by",
    "refined: ESS per gradient, second",
    "R-hat",
    "mean, deviation off by",
    "Stan: ESS per gradient, second",
)


def line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def header() -> str:
    return "\n".join((line(HEADER), line(["---"] * len(HEADER))))


def cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        str(POSTERIORS[row.name]),
        *yield_cells(row.identity),
        *yield_cells(row.refined),
        "-" if row.stan is None else speed(row.stan),
    )


def yield_cells(one: Yield) -> tuple[str, str, str]:
    off = "-" if one.distance is None else "{:.1f}, {:.1f}".format(*one.distance)
    return (speed(one), f"{one.rhat:.3f}", off)


def speed(one: Yield) -> str:
    return f"{one.per_gradient:.4f}, {one.per_second:.3g}"
