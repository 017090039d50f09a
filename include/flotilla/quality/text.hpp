// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/quality/comparison.hpp"
#include "flotilla/quality/diagnosis.hpp"
#include "flotilla/quality/evidence.hpp"
#include "flotilla/quality/figures.hpp"
#include "flotilla/quality/verification.hpp"

namespace flotilla {

/// A diagnosis as a printed table. @param all  print a row for every quantity; else, of many, only
/// the worst rows and the quantiles of all
std::string as_table(const Diagnosis& diagnosis, bool all);

/// The sentences below the table: converged, or what is wrong and what would help.
std::string verdict(const Diagnosis& diagnosis, const Thresholds& thresholds);

/// The part of the verdict that says what would help; empty if the run has converged, or nothing is
/// known that would.
std::string advice(const Diagnosis& diagnosis, const Thresholds& thresholds);

/// The whole diagnosis and the verdict as JSON. A number that is not finite is null.
std::string as_json(const Diagnosis& diagnosis, const Thresholds& thresholds);

/// The quantities as CSV, a line each. An undefined figure is an empty field.
std::string as_csv(const Diagnosis& diagnosis);

/// A comparison as a printed table, one column per sample; and as JSON, in which a number that is
/// not finite is null.
std::string as_table(const Comparison& comparison);
std::string as_json(const Comparison& comparison);

/// An estimate of the evidence as a printed table, and as JSON, in which what is undefined or
/// refused is null.
std::string as_table(const Evidence& evidence);
std::string as_json(const Evidence& evidence);

/// A verification as a line for every finding, and as JSON.
std::string as_table(const Verification& verification);
std::string as_json(const Verification& verification);

}  // namespace flotilla
