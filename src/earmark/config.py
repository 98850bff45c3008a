"""Frozen, validated configuration: read from TOML, changed by ``--set key.path=value``, never silently wrong.

A `Registry` holds the kinds of one thing by name, and `Kind` chooses a configuration among them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from earmark.errors import ConfigError, UnknownNameError, did_you_mean


class Config(BaseModel):
    """Base of every configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, where: str) -> Self:
        """Validate `values`; raise `ConfigError` naming the key, what is allowed and the closest known key.

        Parameters
        ----------
        values
            Nested mapping, as read from TOML or JSON.
        where
            What the values came from, for the message ("recipe zoo/notes").
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(f"{where}: {'; '.join(_sentences(cls, error))}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raise `ConfigError` when it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give a TOML file or the name of a shipped recipe") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct that line") from error


def apply_overrides(values: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return `values` with every ``"key.path=value"`` applied; a value is read as TOML, else as a plain string.

    >>> apply_overrides({"training": {"epochs": 3}}, ["training.epochs=20", "name=mine"])
    {'training': {'epochs': 20}, 'name': 'mine'}
    """
    result = _copy(values)
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"--set {override!r} has no key or value; write --set training.epochs=20")
        *parents, last = path.strip().split(".")
        target = result
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise ConfigError(f"--set {override!r}: {parent!r} is a value, not a table; drop what follows it")
        target[last] = _toml_value(text.strip())
    return result


T = TypeVar("T")
U = TypeVar("U")


class Registry(Mapping[str, T]):
    """A mapping from public names to implementations.

    Parameters
    ----------
    kind
        What the entries are ("feature kind", "model"), used in error messages.

    Examples
    --------
    >>> shapes = Registry[type]("shape")
    >>> @shapes.register("circle")
    ... class Circle: ...
    >>> shapes["circle"] is Circle
    True
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[U], U]:
        """Return a decorator that files its target under `name`; a second use of the name raises ``ValueError``."""

        def file_under(entry: U) -> U:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry  # type: ignore[assignment]
            return entry

        return file_under

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


C = TypeVar("C", bound=Config)


def parse_kind(registry: Registry[type[C]], values: Any, *, where: str) -> C:
    """Parse a table whose ``kind`` names one of several configurations in `registry`.

    Raises
    ------
    ConfigError, UnknownNameError
        When there is no ``kind``, it is not registered, or a key does not fit it.
    """
    if not isinstance(values, Mapping) or not isinstance(values.get("kind"), str):
        raise ConfigError(f"{where}: needs a key 'kind'; allowed: {', '.join(sorted(registry))}")
    return registry[values["kind"]].parse(values, where=where)


def Kind(registry: Registry[type[C]], *, where: str) -> BeforeValidator:  # noqa: N802 - reads as part of a type
    """Return what makes a field take a table for `parse_kind`, or a configuration: ``Annotated[Base, Kind(…)]``."""
    return BeforeValidator(
        lambda values: values if isinstance(values, Config) else parse_kind(registry, values, where=where)
    )


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _sentences(cls: type[BaseModel], error: ValidationError) -> Iterable[str]:
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _fields_at(cls, problem["loc"][:-1])
            hint = did_you_mean(str(problem["loc"][-1]), known)
            yield f"unknown key {key!r}{hint}" + (f"; allowed here: {', '.join(sorted(known))}" if known else "")
        elif problem["type"] == "missing":
            yield f"the key {key!r} is missing; add it"
        else:
            given = "" if isinstance(problem["input"], (dict, BaseModel)) else f" (given {problem['input']!r})"
            yield f"{key or 'value'}: {problem['msg'].removeprefix('Value error, ')}{given}"


def _fields_at(cls: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    """Names of the fields of the model that `loc` leads to; tags of discriminated unions are stepped over."""
    candidates: list[type[BaseModel]] = [cls]
    for part in loc:
        nested = [
            m for c in candidates if part in c.model_fields for m in _models_in(c.model_fields[str(part)].annotation)
        ]
        tagged = [c for c in candidates if any(f.default == part for f in c.model_fields.values())]
        candidates = nested or tagged or candidates
    return {name for candidate in candidates for name in candidate.model_fields}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]
