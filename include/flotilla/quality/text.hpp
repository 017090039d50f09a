// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "flotilla/quality/comparison.hpp"
#include "flotilla/quality/diagnosis.hpp"
#include "flotilla/quality/figures.hpp"

namespace flotilla {

/// A diagnosis as a table for people. @param all  a row for every quantity; else of many only the
/// worst, and how the others are spread
std::string as_table(const Diagnosis& diagnosis, bool all);

/// The sentences that follow a table: converged, or what is not as it should be.
std::string verdict(const Diagnosis& diagnosis, const Thresholds& thresholds);

/// The whole diagnosis, and the verdict, as JSON. What is not finite is null.
std::string as_json(const Diagnosis& diagnosis, const Thresholds& thresholds);

/// A line of CSV for every quantity. What is not defined is empty.
std::string as_csv(const Diagnosis& diagnosis);

/// A comparison as a table for people, a column a sample; and as JSON, where what is not finite is
/// null.
std::string as_table(const Comparison& comparison);
std::string as_json(const Comparison& comparison);

}  // namespace flotilla
