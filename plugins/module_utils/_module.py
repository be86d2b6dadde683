# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way into a module and out of it, the same for all that talk to a control plane."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

from ansible.module_utils.basic import AnsibleModule, _load_params, missing_required_lib
from ansible.module_utils.common.parameters import remove_values

from ._api.connection import SECRET_OPTIONS, connection_secrets, is_usable_address
from ._api.transport import RequestsMissing
from ._common.errors import no_request
from ._common.result import ModuleResult
from ._common.text import HIDDEN, shortened, some_of

_LONGEST_MESSAGE = 4000
# Of a list, among the options that a result repeats.
_SHOWN = 3


class RunaiModule(AnsibleModule):  # type: ignore[misc] # ansible-core is not typed
    """Shows neither a secret nor a long list among its options, however it ends.

    That goes for what Ansible itself refuses as well, such as a misspelt option. ``given`` are the
    task's own arguments before Ansible completed them: only there a null differs from an omitted option.
    ``shown`` are the options that a result repeats, where it is not all of them.
    """

    def __init__(self, argument_spec: Mapping[str, Any], shown: Optional[Sequence[str]] = None) -> None:
        self._shown = shown
        super().__init__(argument_spec=dict(argument_spec), supports_check_mode=True)
        # ansible-core has this function for modules that need the arguments as they came, and no other way.
        self.given: Mapping[str, Any] = _load_params()
        self.no_log_values.update(connection_secrets(self.params, os.environ))

    @property
    def is_diff_wanted(self) -> bool:
        """Whether the play runs with --diff."""
        return bool(self._diff)

    @property
    def verbosity(self) -> int:
        """How many ``v`` the play was started with."""
        return int(self._verbosity)

    def exit_json(self, **result: Any) -> None:
        """End well."""
        super().exit_json(**result, invocation=self._invocation())

    def fail_json(self, msg: str, **result: Any) -> None:
        """End badly. Ansible's own message may repeat a value, however long it is."""
        # Half a secret would not be recognised as one any more.
        message = shortened(remove_values(msg, self.no_log_values), _LONGEST_MESSAGE)
        result.setdefault("error", no_request(message))
        super().fail_json(message, **result, invocation=self._invocation())

    def run(self, run: Callable[[], ModuleResult], refused: Callable[[str], ModuleResult]) -> None:
        """End as ``run`` does. Where it needs requests and that is missing, end with what is ``refused``."""
        try:
            finished = run()
        except RequestsMissing as fault:
            self._end(refused(missing_required_lib("requests")), exception=str(fault))
        else:
            self._end(finished)

    def _invocation(self) -> dict[str, Any]:
        params = self.params
        if self._shown is not None:
            params = {option: value for option, value in params.items() if option in self._shown}
        return shown_options(params)

    def _end(self, finished: ModuleResult, **more: Any) -> None:
        self.no_log_values.update(finished.secrets)
        for warning in finished.warnings:
            self.warn(warning)
        if not finished.failed:
            self.exit_json(**finished.result, **more)
        elif finished.fault is None:
            self.fail_json(**finished.result, **more)
        else:
            self.fail_json(**finished.result, **more, error=finished.fault.shown)


def shown_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what goes under ``invocation``: the options, with long lists and texts cut short.

    Secrets stay whole, for Ansible to take out: one that is cut is not recognised any more. An address
    that can't be used is hidden: what makes it one may be a password or a token.
    """
    shown = {option: value if option in SECRET_OPTIONS else _short(value) for option, value in params.items()}
    if shown.get("base_url") and not is_usable_address(shown["base_url"]):
        shown["base_url"] = HIDDEN
    return {"module_args": shown}


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        # No option takes one: most often it is the whole of what was registered.
        return "a dictionary: {0}".format(some_of([str(key) for key in value]))
    if not isinstance(value, list):
        return _shorter(value)
    shown = [_shorter(element) for element in value[:_SHOWN]]
    rest = value[_SHOWN:]
    return [*shown, "and {0} more".format(len(rest))] if len(rest) > 1 else [*shown, *map(_shorter, rest)]


def _shorter(element: Any) -> Any:
    # A survey's text may hold thousands of ids in one string.
    return shortened(element) if isinstance(element, str) else element
