// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/sampler/registry.hpp"

#include <type_traits>

#include "core/registry.hpp"

namespace flotilla {
namespace {

template <typename T>
std::unique_ptr<LocalMove<T>> make_metric_mala(const ParameterValues& /*values*/) {
  return std::make_unique<MetricMala<T>>();
}

template <typename T>
std::unique_ptr<LocalMove<T>> make_mala(const ParameterValues& /*values*/) {
  return std::make_unique<EuclideanMala<T>>();
}

template <typename T>
std::unique_ptr<LocalMove<T>> make_ghmc(const ParameterValues& /*values*/) {
  return std::make_unique<Ghmc<T>>();
}

}  // namespace

const std::vector<KernelRow>& kernel_registry() {
  static const std::vector<KernelRow> rows = {
      {{"metric-mala", "Langevin moves under the flow's metric J^T J; needs its inverse", {}},
       make_metric_mala<float>,
       make_metric_mala<double>,
       0.574},
      {{"mala", "Langevin moves in the latent space: half the cost of a step, no inverse", {}},
       make_mala<float>,
       make_mala<double>,
       0.574},
      {{"ghmc", "Langevin moves with a momentum that lasts; the same cost, no inverse", {}},
       make_ghmc<float>,
       make_ghmc<double>,
       0.65},
  };
  return rows;
}

const KernelRow& kernel_row(const std::string& name) {
  return find_row(kernel_registry(), "kernel", name);
}

void expect_kernel(const Specification& specification) {
  expect_parameters(kernel_row(specification.name).choice, specification);
}

Specification resolve_kernel(const Specification& specification) {
  return {specification.name, with_defaults(kernel_row(specification.name).choice, specification)};
}

template <typename T>
std::unique_ptr<LocalMove<T>> make_local_move(const Specification& specification) {
  const KernelRow& row = kernel_row(specification.name);
  const ParameterValues values = with_defaults(row.choice, specification);
  if constexpr (std::is_same_v<T, float>) {
    return row.in_float(values);
  } else {
    return row.in_double(values);
  }
}

template std::unique_ptr<LocalMove<float>> make_local_move(const Specification&);
template std::unique_ptr<LocalMove<double>> make_local_move(const Specification&);

}  // namespace flotilla
