// SPDX-License-Identifier: BSD-3-Clause
#include "support/observations.hpp"

#include "support/batches.hpp"

namespace flotilla::test {
namespace {

Tensor numbers(NumberStream& stream, std::vector<Index> shape, double offset, double scale) {
  Index count = 1;
  for (const Index size : shape) count *= size;
  Tensor tensor{std::move(shape), {}};
  for (Index k = 0; k < count; ++k) tensor.values.push_back(offset + stream.symmetric(scale));
  return tensor;
}

Eigen::VectorXd vector_of(const Tensor& tensor) {
  return Eigen::Map<const Eigen::VectorXd>(tensor.values.data(),
                                           static_cast<Index>(tensor.values.size()));
}

}  // namespace

Observation random_observation(ObservedBy way, Index values, Index dim, std::uint64_t seed) {
  NumberStream stream(seed);
  Observation observation{"observation.h5", {}};
  observation.arrays["y"] = numbers(stream, {values}, 0.0, 1.5);
  observation.arrays["noise"] = numbers(stream, {values}, 0.75, 0.5);
  if (way == ObservedBy::kOperator) {
    observation.arrays["operator"] = numbers(stream, {values, dim}, 0.0, 1.0);
    return observation;
  }
  Tensor indices{{values}, {}};
  for (Index k = 0; k < values; ++k) {
    indices.values.push_back(static_cast<double>(stream.below(dim)));
  }
  observation.arrays["indices"] = indices;
  return observation;
}

LinearModel model_of(const Observation& observation, Index dim) {
  LinearModel model;
  model.y = vector_of(observation.arrays.at("y"));
  model.noise = vector_of(observation.arrays.at("noise"));
  model.matrix = Eigen::MatrixXd::Zero(model.y.size(), dim);
  const bool sums = observation.arrays.contains("operator");
  const std::vector<double>& values = observation.arrays.at(sums ? "operator" : "indices").values;
  for (Index j = 0; j < model.y.size(); ++j) {
    if (!sums) {
      model.matrix(j, static_cast<Index>(values[static_cast<std::size_t>(j)])) = 1.0;
      continue;
    }
    for (Index i = 0; i < dim; ++i) {
      model.matrix(j, i) = values[static_cast<std::size_t>(j * dim + i)];
    }
  }
  return model;
}

}  // namespace flotilla::test
