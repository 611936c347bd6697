"""The schemas of the test vectors: the files follow them to the last case, spoilt ones don't, and old files are still read."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from focal_ref import vectors
from focal_ref.vectors.wide import laid_out
from tests.vectors.where import DATA, data_of, every_file

OLD = Path(__file__).parent / "version_1"


SCHEMAS = {version: vectors.schema(version) for version in (1, 2)}


def _errors(value: Any, version: int = vectors.VERSION) -> list[str]:
    """What of a file is not as its version's schema has it."""
    ROOTS[:] = [SCHEMAS[version]]
    return list(_violations(ROOTS[0], value))


ROOTS: list[Any] = []


def _violations(schema: Any, value: Any, at: str = "$") -> Iterator[str]:
    """JSON Schema, as much of it as ours uses; a keyword that is not known is an error, so that none is passed over."""
    if isinstance(schema, bool):
        yield from () if schema else [f"{at}: nothing is allowed here"]
        return
    for keyword, rule in schema.items():
        yield from RULES[keyword](schema, rule, value, at)


def _valid(schema: Any, value: Any) -> bool:
    return not list(_violations(schema, value))


TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "null": type(None), "integer": int}


def _of_type(rule: str, value: Any) -> bool:
    return isinstance(value, TYPES[rule]) and not isinstance(value, bool)


def _properties(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    for key, inner in rule.items():
        if isinstance(value, dict) and key in value:
            yield from _violations(inner, value[key], f"{at}.{key}")


def _additional(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key in set(value) - set(schema.get("properties", {})):
            yield from _violations(rule, value[key], f"{at}.{key}")


def _items(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    if isinstance(value, list):
        for i, entry in enumerate(value):
            yield from _violations(rule, entry, f"{at}[{i}]")


def _branch(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    yield from _violations(schema["then" if _valid(rule, value) else "else"], value, at)


def _ref(schema: Any, rule: str, value: Any, at: str) -> Iterator[str]:
    return _violations(ROOTS[0]["$defs"][rule.removeprefix("#/$defs/")], value, at)


def _test(holds: Callable[[Any, Any], bool]) -> Callable[..., Iterator[str]]:
    def check(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
        if not holds(rule, value):
            yield f"{at}: {value!r} against {rule!r}"

    return check


def _no(schema: Any, rule: Any, value: Any, at: str) -> Iterator[str]:
    return iter(())


RULES: dict[str, Callable[..., Iterator[str]]] = {
    "$schema": _no,
    "$defs": _no,
    "title": _no,
    "then": _no,
    "else": _no,
    "if": _branch,
    "$ref": _ref,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "type": _test(_of_type),
    "const": _test(lambda rule, v: type(v) is type(rule) and v == rule),
    "enum": _test(lambda rule, v: v in rule),
    "required": _test(lambda rule, v: not isinstance(v, dict) or set(rule) <= set(v)),
    "pattern": _test(lambda rule, v: not isinstance(v, str) or re.search(rule, v) is not None),
    "minItems": _test(lambda rule, v: not isinstance(v, list) or len(v) >= rule),
    "minProperties": _test(lambda rule, v: not isinstance(v, dict) or len(v) >= rule),
    "minimum": _test(lambda rule, v: not isinstance(v, int) or v >= rule),
    "uniqueItems": _test(lambda rule, v: not isinstance(v, list) or len({json.dumps(e) for e in v}) == len(v)),
    "anyOf": _test(lambda rule, v: any(_valid(inner, v) for inner in rule)),
}


@every_file
def test_the_files_follow_the_schema(link: str, dtype: str) -> None:
    """Every file, to the last case; also what no schema can say: as many results as logits, and ids of the file's own."""
    data = data_of(link, dtype)
    assert _errors(data) == []
    assert (data["link"], data["dtype"], data["version"]) == (link, dtype, vectors.VERSION)
    for i, case in enumerate(data["cases"]):
        assert case["id"] == f"{link}-{dtype}-{i:03}"
        assert set(case["flags"]) <= set(data["flags"])
        for quantity in ("grad", "hess") if link == "softmax" else ():
            one, two, three = map(laid_out, (case[quantity]["hex"], case[quantity]["decimal"], case["logits"]))
            assert len(one) == len(two) == len(three)
    assert all(i < len(data["cases"]) for group in data["groups"] for i in group["cases"])


def _wide(data: Any) -> Any:
    return next(case for case in data["cases"] if isinstance(case["logits"], dict))


SPOILT: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "another version": ("sigmoid", lambda d: d.update(version=1)),
    "a number as a number": ("sigmoid", lambda d: d["cases"][3]["parameters"].update(gamma=2.0)),
    "a decimal for a hexadecimal": ("sigmoid", lambda d: d["cases"][3]["value"].update(hex="0.25")),
    "a digit for a hexadecimal": ("sigmoid", lambda d: d["cases"][3]["value"].update(hex="3")),
    "an unknown key of the file": ("sigmoid", lambda d: d.update(author="")),
    "gamma outside of the parameters": ("sigmoid", lambda d: d["cases"][3].update(gamma="0x1p+0")),
    "no parameters": ("sigmoid", lambda d: d["cases"][3]["parameters"].clear()),
    "a kernel that is none": ("sigmoid", lambda d: d.update(kernel="Poly 1")),
    "a negative weight": ("sigmoid", lambda d: d["cases"][3].update(weight="-0x1p+0")),
    "a tile without its length": ("softmax", lambda d: _wide(d)["logits"].pop("length")),
    "an empty tile": ("softmax", lambda d: _wide(d)["logits"].update(tile=[])),
    "a number in a tile": ("softmax", lambda d: _wide(d)["grad"]["hex"]["at"].update({"3": 1.0})),
    "a batch without its mean": ("sigmoid", lambda d: d["groups"][0].pop("mean")),
    "a batch without cases": ("sigmoid", lambda d: d["groups"][0].update(cases=[])),
    "a batch without its shape": ("softmax", lambda d: d["groups"][0].update(shape=[])),
    "no gradient": ("softmax", lambda d: d["cases"][3].pop("grad")),
    "an unknown key": ("softmax", lambda d: d["cases"][3].update(hint="")),
    "an unknown formula": ("sigmoid", lambda d: d["cases"][3].update(soft_targets="margin")),
    "a sigmoid's case in a softmax file": ("softmax", lambda d: d["cases"].append(data_of("sigmoid", "float64")["cases"][0])),
    "another ignore_index": ("sigmoid", lambda d: d.update(ignore_index=-1)),
    "another negative class": ("softmax", lambda d: d["cases"][3].update(target=-1)),
    "no ignore_index": ("softmax", lambda d: d.pop("ignore_index")),
    "no kind": ("softmax", lambda d: d["flags"]["tie"].pop("kind")),
    "a flag twice": ("softmax", lambda d: d["cases"][3].update(flags=["tie", "tie"])),
    "one class": ("softmax", lambda d: d["cases"][3].update(logits=["0x1p+0"])),
    "no cases": ("softmax", lambda d: d.update(cases=[])),
}


@pytest.mark.slow
@pytest.mark.parametrize(("link", "spoil"), SPOILT.values(), ids=SPOILT)
def test_the_schema_is_strict(link: str, spoil: Callable[[Any], Any]) -> None:
    """A file with one mistake does not follow it."""
    data = copy.deepcopy(data_of(link, "float64"))
    spoil(data)
    assert _errors(data)


# ---- old files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", vectors.LINKS)
def test_a_file_of_version_1_is_still_read(link: str) -> None:
    """A file as it was written then follows its own schema, and its cases are as in the newer file, with what that has more."""
    path = OLD / f"{link}-float64.json"
    old, new = (
        vectors.read(path),
        {repr((case[2:8], dict(case.parameters))): case for case in vectors.load(link, "float64").cases},
    )
    assert _errors(json.loads(path.read_text(encoding="ascii")), 1) == []
    assert (old.version, old.kernel, old.link, old.dtype, old.groups) == (1, "focal", link, "float64", ())
    same = [new.get(repr((case[2:8], dict(case.parameters)))) for case in old.cases]
    assert sum(other is not None for other in same) >= 10
    for case, other in zip(old.cases, same, strict=True):
        if other is None:  # γ goes round among the cases, which are others now
            continue
        assert repr(case[8:11]) == repr(other[8:11])
        assert case.decimals == other.decimals
        assert (case.weight, case.slack, dict(case.terms)) == (None, 0.0, {})
        assert case.gamma == case.parameters["gamma"]


def test_a_file_of_this_version_is_read_as_the_package_s_own() -> None:
    """`read` and `load` are one."""
    assert repr(vectors.read(DATA / "softmax-float16.json")) == repr(vectors.load("softmax", "float16"))


@pytest.mark.parametrize(
    ("text", "what"),
    [("{}", "no test vectors"), ("[]", "no test vectors"), ('{"format": "focal_ref test vectors", "version": 3}', "version 3")],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, text: str, what: str) -> None:
    """Another file, and a version to come."""
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=rf"^path: got '.*a\.json', {what}; expected test vectors of version 1 or 2$"):
        vectors.read(tmp_path / "a.json")


def test_a_schema_of_no_version_is_refused() -> None:
    """By name."""
    with pytest.raises(ValueError, match=r"^version: got 3; expected 1 or 2"):
        vectors.schema(3)
