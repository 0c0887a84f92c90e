"""Honest estimates of accuracy, when to stop labelling, label errors, and comparisons of strategies."""

from __future__ import annotations

from tuilabel.estimate.accuracy import MeasuredAccuracy
from tuilabel.estimate.agreement import AnnotatorAgreement, ClassAgreement, PairAgreement, annotator_agreement
from tuilabel.estimate.audit import AUDIT_WINDOW, AuditEstimate, audit_estimate
from tuilabel.estimate.balance import BalancedAccuracy, Baseline, baseline, unequal_classes_accuracy
from tuilabel.estimate.class_figures import ClassFigure, Confusion, audit_confusion, class_figures, most_confused
from tuilabel.estimate.confidence import apply_temperature, fit_temperature, mean_confidence
from tuilabel.estimate.intervals import effective_sample_size, korn_graubard_interval, wilson_interval
from tuilabel.estimate.label_errors import (
    class_thresholds,
    confident_classes,
    likely_wrong,
    normalised_margin,
    self_confidence,
)
from tuilabel.estimate.learning_curve import (
    LearningCurve,
    area_under_learning_curve,
    fit_learning_curve,
    labels_to_target,
)
from tuilabel.estimate.lure import LureEstimate, lure_accuracy, lure_weights
from tuilabel.estimate.metrics import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    expected_calibration_error,
    per_class_accuracy,
)
from tuilabel.estimate.pace import labels_per_minute
from tuilabel.estimate.paired import PairedComparison, compare_paired, wilcoxon_p
from tuilabel.estimate.precision import BULK_PRECISION, MeasuredPrecision, expected_precision, measured_precision
from tuilabel.estimate.stopping import (
    StabilisingPredictions,
    StoppingAdvice,
    advice_text,
    cohen_kappa,
    stopping_advice,
    without_forecast,
)
from tuilabel.estimate.wording import (
    FEW,
    Verdict,
    accuracy_text,
    agreement_text,
    balanced_text,
    baseline_text,
    confidence_text,
    interval_percent,
    percent,
    recall_text,
    verdict,
)

__all__ = [
    "AUDIT_WINDOW",
    "BULK_PRECISION",
    "FEW",
    "AnnotatorAgreement",
    "AuditEstimate",
    "BalancedAccuracy",
    "Baseline",
    "ClassAgreement",
    "ClassFigure",
    "Confusion",
    "LearningCurve",
    "LureEstimate",
    "MeasuredAccuracy",
    "MeasuredPrecision",
    "PairAgreement",
    "PairedComparison",
    "StabilisingPredictions",
    "StoppingAdvice",
    "Verdict",
    "accuracy",
    "accuracy_text",
    "advice_text",
    "agreement_text",
    "annotator_agreement",
    "apply_temperature",
    "area_under_learning_curve",
    "audit_confusion",
    "audit_estimate",
    "balanced_accuracy",
    "balanced_text",
    "baseline",
    "baseline_text",
    "class_figures",
    "class_thresholds",
    "cohen_kappa",
    "compare_paired",
    "confidence_text",
    "confident_classes",
    "confusion_matrix",
    "effective_sample_size",
    "expected_calibration_error",
    "expected_precision",
    "fit_learning_curve",
    "fit_temperature",
    "interval_percent",
    "korn_graubard_interval",
    "labels_per_minute",
    "labels_to_target",
    "likely_wrong",
    "lure_accuracy",
    "lure_weights",
    "mean_confidence",
    "measured_precision",
    "most_confused",
    "normalised_margin",
    "per_class_accuracy",
    "percent",
    "recall_text",
    "self_confidence",
    "stopping_advice",
    "unequal_classes_accuracy",
    "verdict",
    "wilcoxon_p",
    "wilson_interval",
    "without_forecast",
]
