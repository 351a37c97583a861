# SPDX-License-Identifier: Apache-2.0
"""The simulation of a service (docs/scale.md)."""
