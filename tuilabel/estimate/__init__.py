"""How good the classifier is, said honestly; how fast the person is."""

from __future__ import annotations

from tuilabel.estimate.audit import AuditEstimate, audit_estimate, wilson_interval
from tuilabel.estimate.pace import labels_per_minute

__all__ = ["AuditEstimate", "audit_estimate", "labels_per_minute", "wilson_interval"]
