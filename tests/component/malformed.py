# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Responses as no control plane should give them: good ones, broken at random, the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.workloads import workload_id

_WORDS = (
    "",
    " ",
    "null",
    "{{ 7 * 7 }}",
    "{% for one in range(9) %}x{% endfor %}",
    "\x1b[31mred\x1b[0m\x07",
    "two\r\nlines",
    "\u202edrawkcab",
    "\u2028",
    "\ud800",
    "²",
    "٣",
    "-1",
    "1e999",
    "9" * 5000,
    "x" * 3000,
    "Succeeding",
)
_NUMBERS = (0, -1, 1, 7, 500, 2**31, 2**63, 10**30, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"))
_NAMES = (
    "id",
    "succeeded",
    "failed",
    "code",
    "message",
    "details",
    "workloads",
    "next",
    "count",
    "phase",
    "actionsSupport",
    "access_token",
    "expires_in",
    "error",
)


class Malformed:
    """Makes responses; `ids` are those that a client may have asked about."""

    def __init__(self, seed: int, ids: Sequence[str]) -> None:
        self._dice = random.Random(seed)
        self._ids = ids

    def body(self, good: Any) -> bytes:
        """The good response, broken once or several times, as a value or as a text."""
        value = json.loads(json.dumps(good))
        for _number in range(self._dice.choice((0, 1, 1, 1, 2, 3, 5))):
            value = self._broken(value)
        text = json.dumps(value, ensure_ascii=self._dice.random() < 0.5)
        body = text.encode("utf-8", "surrogatepass")
        return self._broken_text(body) if self._dice.random() < 0.3 else body

    def header(self) -> str:
        """A value of Retry-After."""
        dice = self._dice
        number = str(dice.choice(_NUMBERS[:-2]))
        date = f"Mon, {dice.randint(-1, 40)} Jan {dice.choice((1, 99, 1970, 2030, 9999, 10**9))} "
        zone = dice.choice(("GMT", "+0000", "-9999", "+99999999999999999999", "", "CEST"))
        return dice.choice((number, date + f"{dice.randint(0, 30)}:00:00 {zone}", dice.choice(_WORDS[:8])))

    def junk(self, depth: int = 2) -> Any:
        """Any value of JSON, and some that are none."""
        dice = self._dice
        makers: list[Callable[[], Any]] = [
            lambda: dice.choice(_WORDS),
            lambda: dice.choice(_NUMBERS),
            lambda: dice.choice((None, True, False, [], {})),
            self._an_id,
        ]
        if depth:
            makers += [
                lambda: [self.junk(depth - 1) for _number in range(dice.randint(0, 3))],
                lambda: {dice.choice(_NAMES): self.junk(depth - 1) for _number in range(dice.randint(0, 3))},
            ]
        return dice.choice(makers)()

    def _an_id(self) -> str:
        one = self._dice.choice(self._ids)
        return self._dice.choice(
            (
                one,
                one.upper(),
                f" {one}",
                one.replace("-", ""),
                "{" + one + "}",
                one + "\n",
                workload_id(10**9),
            )
        )

    def _broken(self, value: Any) -> Any:
        """The value with one place in it, at any depth, made wrong."""
        dice = self._dice
        if isinstance(value, dict) and value and dice.random() < 0.8:
            key = dice.choice(list(value))
            turn = dice.random()
            if turn < 0.55:
                value[key] = self._broken(value[key])
            elif turn < 0.7:
                del value[key]
            elif turn < 0.85:
                value[dice.choice(_NAMES)] = self.junk()
            else:
                value[dice.choice(_NAMES)] = value.pop(key)
            return value
        if isinstance(value, list) and value and dice.random() < 0.8:
            place = dice.randrange(len(value))
            turn = dice.random()
            if turn < 0.4:
                value[place] = self._broken(value[place])
            elif turn < 0.6:
                del value[place]
            elif turn < 0.8:
                value.insert(place, self.junk())
            else:
                value.append(value[place])
            return value
        return self.junk()

    def _broken_text(self, body: bytes) -> bytes:
        dice = self._dice
        place = dice.randrange(len(body) + 1)
        return dice.choice(
            (
                lambda: body[:place],
                lambda: body[:place] + bytes([dice.randrange(256)]) + body[place:],
                lambda: body[:place] + body[place + 1 :],
                lambda: body + body,
                lambda: b"\xef\xbb\xbf" + body,
                lambda: body.decode("utf-8", "replace").encode("utf-16"),
                lambda: b"<html>" + body,
                lambda: b"[" * 5000 + body,
                lambda: dice.randbytes(dice.randrange(60)),
                lambda: b"",
            )
        )()
