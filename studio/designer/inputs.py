"""Inputs that belong to one property of an entity: what they show comes from the draft, what is typed goes into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from studio import edits
from studio.desk import Desk, edit
from xrm.errors import ModelError
from xrm.metadata.nodes import Path

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Spot:
    """One property: of which entity, at which path, and what it is without being written."""

    entity: str
    path: Path
    default: Any = None

    @property
    def key(self) -> str:
        """Names its input on the page."""
        return f"spot.{self.entity}.{'.'.join(map(str, self.path))}"


def _same(value: Any) -> Any:
    return value


def _put(spot: Spot, convert: Convert) -> None:
    value = st.session_state[spot.key]

    def made(desk: Desk) -> edits.Texts:
        return edits.put(desk.sources, spot.entity, spot.path, convert(value), spot.default)

    edit(made)


def text(
    spot: Spot,
    label: str,
    value: str,
    *,
    convert: Convert = _same,
    placeholder: str = "",
    hint: str = "",
    lines: int = 1,
    disabled: bool = False,
) -> None:
    """Show an input for a text."""
    st.session_state[spot.key] = value
    options: dict[str, Any] = {
        "key": spot.key,
        "placeholder": placeholder,
        "help": hint or None,
        "disabled": disabled,
        "on_change": _put,
        "args": (spot, _stripped(convert)),
    }
    if lines == 1:
        st.text_input(label, **options)
    else:
        st.text_area(label, height=28 * lines + 20, **options)


def _stripped(convert: Convert) -> Convert:
    return lambda value: convert(value.strip()) if value and value.strip() else None


def choose(
    spot: Spot,
    label: str,
    value: str,
    options: Mapping[str, str],
    *,
    hint: str = "",
    disabled: bool = False,
    convert: Convert = _same,
) -> None:
    """Show an input for one of some values; `options` gives each its title."""
    known = {**options, value: options.get(value, value)} if value not in options else options
    st.session_state[spot.key] = value
    st.selectbox(
        label,
        list(known),
        key=spot.key,
        format_func=lambda name: known[name],
        help=hint or None,
        disabled=disabled,
        on_change=_put,
        args=(spot, convert),
    )


def several(
    spot: Spot,
    label: str,
    value: Sequence[str],
    options: Mapping[str, str],
    *,
    hint: str = "",
    placeholder: str = "",
    disabled: bool = False,
    convert: Convert = list,
) -> None:
    """Show an input for several of some values."""
    known = {**options, **{name: name for name in value if name not in options}}
    st.session_state[spot.key] = list(value)
    st.multiselect(
        label,
        list(known),
        key=spot.key,
        format_func=lambda name: known[name],
        help=hint or None,
        placeholder=placeholder or "None",
        disabled=disabled,
        on_change=_put,
        args=(spot, convert),
    )


def switch(spot: Spot, label: str, *, value: bool, hint: str = "", disabled: bool = False) -> None:
    """Show an input for yes or no."""
    st.session_state[spot.key] = value
    st.checkbox(label, key=spot.key, help=hint or None, disabled=disabled, on_change=_put, args=(spot, _same))


def number(value: str) -> int | float:
    """Return a typed number.

    Raises:
        ModelError: It is none.
    """
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value.replace(",", "."))
    except ValueError:
        raise ModelError(f"{value!r} is not a number.") from None


def whole(value: str) -> int:
    """Return a typed whole number.

    Raises:
        ModelError: It is none.
    """
    try:
        return int(value)
    except ValueError:
        raise ModelError(f"{value!r} is not a whole number.") from None
