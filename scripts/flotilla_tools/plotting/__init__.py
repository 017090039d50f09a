# SPDX-License-Identifier: BSD-3-Clause
"""Pictures of runs and studies."""

from flotilla_tools.starting import need

need("matplotlib", "python3-matplotlib")
