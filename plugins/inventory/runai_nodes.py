# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inventory plugin runai_nodes; the work is done in module_utils/_selection/node_inventory.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: runai_nodes
short_description: Nodes of Run:ai clusters as hosts
version_added: 1.0.0
description:
  - Lists the nodes of all clusters that the account may see, each as a host.
  - Reads C(/api/v1/nodes). Where the control plane has no such list, as before Run:ai 2.23, the list of each cluster is read.
  - The configuration is a YAML file. Its name ends in C(runai_nodes.yml) or C(runai_nodes.yaml).
author:
  - gpuops.runai contributors (@gpuops)
extends_documentation_fragment:
  - gpuops.runai.connection
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices:
      - gpuops.runai.runai_nodes
  host_names:
    description:
      - Name of each host.
      - V(name_if_unique) is the name of the node. If several clusters have a node of that name, each of them is named
        C(<cluster>_<node>) instead.
      - V(cluster_and_name) is always C(<cluster>_<node>).
    type: str
    default: name_if_unique
    choices:
      - name_if_unique
      - cluster_and_name
notes:
  - The connection options may be Jinja templates, such as a lookup of a secret.
  - The control plane reports no address of a node. A host name must resolve, or O(compose) sets C(ansible_host).
    The plugin never sets it. Two nodes of the same name would otherwise get the same address.
  - An inventory is read by the Python that runs ansible-core. The C(requests) library must be installed there.
  - Labels, free GPUs and a cordon are not in this list. A cordon shows at most as one of C(runai_taints).
  - The cache holds the nodes of one control plane. It is not used for another O(base_url), and holds no secret.
"""

EXAMPLES = r"""
# The file is runai_nodes.yml. Its shortest form takes the address and the credentials from the environment:
#   plugin: gpuops.runai.runai_nodes

# Below: a group for each cluster, node pool, status and GPU type; groups of nodes with GPUs and of nodes with a taint.
# The list is read once in ten minutes.
plugin: gpuops.runai.runai_nodes
base_url: https://acme.run.ai
client_id: inventory
client_secret: "{{ lookup('ansible.builtin.env', 'INVENTORY_SECRET') }}"
strict: true
keyed_groups:
  - {key: runai_cluster, prefix: cluster}
  - {key: runai_node_pool, prefix: pool}
  - {key: runai_status, prefix: status}
  - {key: runai_gpu_type, prefix: gpu, default_value: none}
groups:
  with_gpus: runai_gpu_count > 0
  tainted: runai_taints | length > 0
compose:
  ansible_host: runai_name ~ '.' ~ runai_cluster ~ '.example.com'
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /var/cache/ansible/runai
cache_timeout: 600
"""

import os
from typing import Any

from ansible import constants as C  # noqa: N812
from ansible.errors import AnsibleParserError
from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.gpuops.runai.plugins.module_utils._api.connection import (
    Connection,
    connect_options,
    connection_argument_spec,
)
from ansible_collections.gpuops.runai.plugins.module_utils._api.transport import RequestsMissing
from ansible_collections.gpuops.runai.plugins.module_utils._common.errors import OptionError, RunaiError
from ansible_collections.gpuops.runai.plugins.module_utils._selection.node_inventory import (
    is_node_list,
    node_hosts,
    read_node_list,
)


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc] # ansible-core is not typed
    """Makes each node a host, with variables and constructed groups."""

    NAME = "gpuops.runai.runai_nodes"

    def verify_file(self, path: str) -> bool:
        """Return whether the file is meant for this plugin."""
        return bool(super().verify_file(path)) and path.endswith(("runai_nodes.yml", "runai_nodes.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the nodes to the inventory."""
        super().parse(inventory, loader, path, cache)
        given = self._read_config_data(path)
        try:
            self._check_names(given)
            with_cluster = self.get_option("host_names") == "cluster_and_name"
            node_list = self._node_list(path, self._connection(given), cache)
            for host, variables in node_hosts(node_list, with_cluster).items():
                self._add(host, variables)
        except RunaiError as fault:
            raise AnsibleParserError("gpuops.runai.runai_nodes: {0}".format(fault)) from None
        except RequestsMissing:
            raise AnsibleParserError(
                "gpuops.runai.runai_nodes: {0}".format(missing_required_lib("requests"))
            ) from None

    def _check_names(self, given: dict[str, Any]) -> None:
        """Reject a misspelt option, which Ansible itself ignores."""
        known = C.config.get_configuration_definitions("inventory", self._load_name)
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise OptionError(unknown[0], "not an option of this plugin. Correct the name")

    def _connection(self, given: dict[str, Any]) -> Connection:
        """Return the connection by the rules of the modules: the file beats the environment."""
        spec = connection_argument_spec()
        # As they are in the file: Ansible itself takes any text that is not a boolean for false.
        options = {
            name: self.templar.template(given[name]) for name in spec if given.get(name) not in (None, "")
        }
        checked = ArgumentSpecValidator(spec).validate(options)
        if checked.error_messages:
            raise OptionError("connection options", "; ".join(checked.error_messages))
        connection = connect_options(checked.validated_parameters, os.environ)
        for warning in connection.warnings:
            self.display.warning(warning)
        return connection

    def _node_list(self, path: str, connection: Connection, cache: bool) -> Any:
        self.load_cache_plugin()
        key = self.get_cache_key(path)
        is_cached = self.get_option("cache")
        if is_cached and cache:
            cached = self._cache.get(key)
            if is_node_list(cached, connection.base_url):
                return cached
        found = read_node_list(connection, self.display.warning)
        if is_cached:
            self._cache[key] = found
        return found

    def _add(self, host: str, variables: dict[str, Any]) -> None:
        variables = _without_templates(variables)
        self.inventory.add_host(host)
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)


def _without_templates(value: Any) -> Any:
    """Return texts of the control plane so that Ansible never evaluates them as templates.

    Other texts stay as they are, so that ansible-core before 2.19 lists them plainly.
    """
    if isinstance(value, dict):
        return {key: _without_templates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_templates(item) for item in value]
    return wrap_var(value) if isinstance(value, str) and "{" in value else value
