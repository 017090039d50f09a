# SPDX-License-Identifier: BSD-3-Clause
"""Reads the files of torch.save and of `pickle` without running their code.

torch.load does not fit: in PyTorch 1.13 it ignores the reader of pickles that it is given, and up
to 2.5 files could run code even with weights_only.  So the format is read here: a pickle whose
tensors name storages, and the numbers of these storages.  Every class that is no tensor and no
container becomes a name with attributes (`Foreign`): a whole pickled model shows its layers and
gives its weights, though nothing of it is imported.
"""

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Callable, Mapping

import torch
from torch import Tensor

from flotilla_tools.errors import one_line

LEGACY_NUMBER = 0x1950A86A20F9469CFC6C
"""With which files of torch.save began before version 1.6."""

LARGEST_REPEATED = 2**24
"""Numbers that a tensor may have beyond those of its storage, which it then repeats."""

STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}


# --- What pickles make here ---------------------------------------------------------------------


class Foreign:
    """An object of a class that was not imported: what its pickle says of it, and no behaviour."""

    arguments: tuple[Any, ...]
    state: dict[Any, Any]
    items: dict[Any, Any]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments = arguments

    def __new__(cls, *arguments: Any, **named: Any) -> "Foreign":
        made = super().__new__(cls)
        made.arguments, made.state, made.items = arguments, {}, {}
        return made

    def __setstate__(self, state: Any) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            if isinstance(part, dict):
                self.state.update(part)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, value: Any) -> None:
        self.items[len(self.items)] = value

    def extend(self, values: Any) -> None:
        for value in values:
            self.append(value)

    add = append


class _StorageType:
    """The type of a storage's numbers, as a pickle names it."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.size = torch.empty(0, dtype=dtype).element_size()


class _Storage:
    """Numbers of one type, in memory that may be filled later."""

    def __init__(self, kind: _StorageType, numbers: int, largest: int) -> None:
        if not 0 <= numbers * kind.size <= largest:
            raise pickle.UnpicklingError(f"{numbers} numbers in a file of {largest} bytes")
        self.kind, self.content = kind, bytearray(numbers * kind.size)

    def fill(self, content: bytes) -> None:
        if len(content) < len(self.content):
            raise pickle.UnpicklingError("the numbers of a tensor are cut off")
        self.content[:] = content[: len(self.content)]

    def numbers(self, dtype: torch.dtype | None = None) -> Tensor:
        dtype = dtype or self.kind.dtype
        if not self.content:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(self.content, dtype=dtype)


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *more: Any) -> Tensor:
    """A tensor on a storage, as torch.save describes it; an untyped storage comes with a dtype."""
    dtype = next((word for word in more if isinstance(word, torch.dtype)), None)
    numbers = storage.numbers(dtype)
    if math.prod(size) > numbers.numel() + LARGEST_REPEATED:
        raise pickle.UnpicklingError(f"a tensor of {list(size)} on {numbers.numel()} numbers")
    return numbers.as_strided(tuple(size), tuple(stride), offset)


def _parameter(data: Any, *_more: Any) -> Any:
    return data


def _of_type(function: Any, _kind: Any, arguments: Any, _state: Any) -> Any:
    return function(*arguments)


def _reconstructed(kind: Any, _base: Any = None, _state: Any = None) -> Any:
    return kind() if isinstance(kind, type) and issubclass(kind, Foreign) else Foreign()


def _encoded(text: Any, _coding: Any = None) -> Any:
    """Bytes, as protocols below 3 have them."""
    return text.encode("latin1")


def _storage_of(content: bytes) -> Any:
    return read_stream(io.BytesIO(content), len(content))


_KNOWN: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "slice"): slice,
    ("builtins", "complex"): complex,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
    ("torch.storage", "_load_from_bytes"): _storage_of,
    ("_codecs", "encode"): _encoded,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("copy_reg", "_reconstructor"): _reconstructed,
}
"""All that a pickle may call here: what makes tensors and containers."""


class _Reader(pickle._Unpickler):
    """A pickle's reader that imports nothing.  It is Python's own in Python: that in C asks for any
    amount of memory that a few bytes want."""

    def __init__(self, file: BinaryIO, largest: int) -> None:
        super().__init__(file, encoding="utf-8")
        self.largest = largest
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        found = _KNOWN.get((module.replace("__builtin__", "builtins"), name))
        if found is not None:
            return found
        if module.split(".")[0] == "torch":
            if name in STORAGE_TYPES:
                return _StorageType(STORAGE_TYPES[name])
            if isinstance(getattr(torch, name, None), torch.dtype):
                return getattr(torch, name)
        return type(name, (Foreign,), {"__module__": module})

    def persistent_load(self, what: Any) -> Any:
        """A storage: ("storage", type, key, place, numbers); before 1.6 also a module's class."""
        if what[0] == "module":
            return what[1]
        _, kind, key, _, numbers = what[:5]
        if str(key) not in self.storages:
            self.storages[str(key)] = _Storage(kind, numbers, self.largest)
        return self.storages[str(key)]


class TrustingReader(_Reader):
    """One that imports the classes of a pickle, apart from those that are not there: the prior of a
    posterior, say, from a script of its user's.  They become `Foreign`, and `absent` has why."""

    def __init__(self, file: BinaryIO, largest: int, absent: dict[str, str]) -> None:
        super().__init__(file, largest)
        self.absent = absent

    def find_class(self, module: str, name: str) -> Any:
        if name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            return getattr(torch._utils, name)
        if (module, name) in _KNOWN or name in STORAGE_TYPES:
            return super().find_class(module, name)
        try:
            return pickle._Unpickler.find_class(self, module, name)
        except (ImportError, AttributeError) as problem:
            self.absent[f"{module}.{name}"] = one_line(problem)
            return super().find_class(module, name)


# --- Files --------------------------------------------------------------------------------------


Making = Callable[[BinaryIO, int], _Reader]
"""Makes the reader of a pickle: of its file, which has so many bytes."""


def read_zip(path: Path, making: Making = _Reader) -> Any:
    """What torch.save wrote from version 1.6 on: a zip archive without compression."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (main,) = [name for name in names if name.split("/")[-1] == "data.pkl"]
        folder = main[: -len("data.pkl")]
        largest = path.stat().st_size
        if any(row.file_size > largest for row in archive.infolist()):
            raise pickle.UnpicklingError("a compressed archive, which torch.save does not write")
        reader = making(io.BytesIO(archive.read(main)), largest)
        found = reader.load()
        for key, storage in reader.storages.items():
            storage.fill(archive.read(f"{folder}data/{key}"))
    return found


def is_legacy(path: Path) -> bool:
    """Whether torch.save wrote a file before version 1.6, rather than `pickle`."""
    with path.open("rb") as file:
        try:
            return bool(_Reader(file, 0).load() == LEGACY_NUMBER)
        except Exception:  # foreign bytes fail in any way
            return False


def read_stream(file: BinaryIO, largest: int, making: Making = _Reader) -> Any:
    """What torch.save wrote before version 1.6, or `pickle`; @param largest its size in bytes."""
    first = making(file, largest).load()
    if first != LEGACY_NUMBER:
        return first
    for _ in ("protocol", "system"):
        _Reader(file, largest).load()
    reader = making(file, largest)
    found = reader.load()
    for key in _Reader(file, largest).load():
        storage = reader.storages[str(key)]
        numbers = int.from_bytes(file.read(8), "little")
        storage.fill(file.read(min(numbers, largest) * storage.kind.size))
    return found
