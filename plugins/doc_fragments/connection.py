# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The connection options, the same in every module."""

    DOCUMENTATION = r"""
options:
  base_url:
    description:
      - Address of the control plane. For the service it is V(https://<tenant>.run.ai), for a self-hosted
        one the address of its user interface. A trailing slash and a path prefix are allowed.
      - If it is not given, or empty, the value of environment variable E(RUNAI_BASE_URL) is used. One of
        the two is required.
      - Plain V(http) to another machine gives a warning.
    type: str
  client_id:
    description:
      - Name of a service account or of a user's access key. Goes with O(client_secret).
      - If it is not given, or empty, the value of environment variable E(RUNAI_CLIENT_ID) is used.
    type: str
  client_secret:
    description:
      - Secret of O(client_id). The module requests a token with the two, and renews it before it expires or when it is
        refused.
      - If it is not given, or empty, the value of environment variable E(RUNAI_CLIENT_SECRET) is used.
    type: str
  token:
    description:
      - A bearer token, instead of O(client_id) and O(client_secret). It is never renewed.
      - If it is not given, or empty, the value of environment variable E(RUNAI_BEARER_TOKEN) is used.
      - Options of the task have precedence over the environment. If both a token and a client are set there, the token is
        used.
    type: str
  validate_certs:
    description:
      - Whether to check the certificate of the control plane.
      - If it is not given, the value of environment variable E(RUNAI_VALIDATE_CERTS) is used.
    type: bool
    default: true
  ca_path:
    description:
      - File with the certificates, in PEM format, of the authorities that are trusted, or a folder that
        C(openssl rehash) has prepared.
      - If it is not given, or empty, the value of environment variable E(RUNAI_CA_PATH) is used, then that of
        E(REQUESTS_CA_BUNDLE), then that of E(CURL_CA_BUNDLE), then the authorities that the C(requests) library trusts.
    type: path
  proxy:
    description:
      - Address of a proxy, with user name and password if it requires them.
      - If it is not given, or empty, the value of environment variable E(RUNAI_PROXY) is used, then the usual
        C(https_proxy), C(http_proxy) and C(no_proxy).
    type: str
  timeout:
    description:
      - Maximum number of seconds for a connection, and again for a response.
    type: float
    default: 30
  retry_timeout:
    description:
      - Maximum number of seconds for all retries of one request together. V(0) disables retries.
      - Transient errors are retried with exponential back-off, or after the pause that the control plane asks for. After a
        lost batch response the state is read first, and only ids that did not change are sent again.
    type: float
    default: 120
requirements:
  - requests
notes:
  - Environment variables are read where the module runs, which is the controller for C(hosts=localhost) and
    delegated tasks.
  - Secrets are best given by a variable or the environment. A secret written into a task is printed with
    that task's source when it fails, from ansible-core 2.19 on.
"""
