// SPDX-License-Identifier: BSD-3-Clause
#include "support/dense_jacobian.hpp"

#include <array>

#include "support/batches.hpp"

namespace flotilla::test {
namespace {

/// Central differences in every coordinate: [dim + 1 x dim]. The last row is that of log det.
Eigen::MatrixXd central_differences(const Layer<double>& layer, const Eigen::VectorXd& z,
                                    double step) {
  const Index dim = layer.dim();
  Eigen::MatrixXd points(dim, 2 * dim);
  for (Index j = 0; j < dim; ++j) {
    points.col(2 * j) = z;
    points.col(2 * j + 1) = z;
    points(j, 2 * j) += step;
    points(j, 2 * j + 1) -= step;
  }
  const Images found = images(layer, points);
  Eigen::MatrixXd slopes(dim + 1, dim);
  for (Index j = 0; j < dim; ++j) {
    const double width = points(j, 2 * j) - points(j, 2 * j + 1);  // the actual step, after
                                                                   // rounding
    slopes.col(j).head(dim) = (found.x.col(2 * j) - found.x.col(2 * j + 1)) / width;
    slopes(dim, j) = (found.log_det(2 * j) - found.log_det(2 * j + 1)) / width;
  }
  return slopes;
}

/// Extrapolates slopes to step 0, from central differences with three steps.
template <typename Slopes>
Eigen::MatrixXd extrapolate(double step, Slopes slopes_with) {
  const std::array<Eigen::MatrixXd, 3> slopes = {slopes_with(step), slopes_with(step / 2),
                                                 slopes_with(step / 4)};
  const Eigen::MatrixXd once_coarse = (4.0 * slopes[1] - slopes[0]) / 3.0;
  const Eigen::MatrixXd once_fine = (4.0 * slopes[2] - slopes[1]) / 3.0;
  return (16.0 * once_fine - once_coarse) / 15.0;
}

}  // namespace

Images images(const Layer<double>& layer, const Eigen::MatrixXd& z) {
  Batch<double> point = to_batch<double>(z);
  PerChain log_det(1, z.cols());
  Tape<double> tape(layer.tape_shape(), z.cols());
  layer.forward(point, log_det, tape);
  return {to_matrix(point), to_matrix(log_det).row(0)};
}

Differences differentiate(const Layer<double>& layer, const Eigen::VectorXd& z, double step) {
  const Eigen::MatrixXd slopes =
      extrapolate(step, [&](double width) { return central_differences(layer, z, width); });
  return {slopes.topRows(layer.dim()), slopes.row(layer.dim()).transpose()};
}

Eigen::VectorXd gradient(const std::function<double(const Eigen::VectorXd&)>& function,
                         const Eigen::VectorXd& z, double step) {
  return extrapolate(step, [&](double width) {
    Eigen::MatrixXd slopes(z.size(), 1);
    for (Index i = 0; i < z.size(); ++i) {
      Eigen::VectorXd above = z;
      Eigen::VectorXd below = z;
      above(i) += width;
      below(i) -= width;
      slopes(i, 0) = (function(above) - function(below)) / (above(i) - below(i));
    }
    return slopes;
  });
}

Eigen::MatrixXd dense_jacobian(const Layer<double>& layer, const Eigen::VectorXd& z, double step) {
  return differentiate(layer, z, step).jacobian;
}

Eigen::MatrixXd jacobian_by_products(const Layer<double>& layer, const Eigen::VectorXd& z) {
  const Index dim = layer.dim();
  Batch<double> point = to_batch<double>(z.replicate(1, dim));
  PerChain log_det(1, dim);
  Tape<double> tape(layer.tape_shape(), dim);
  layer.forward(point, log_det, tape);
  Batch<double> columns = to_batch<double>(Eigen::MatrixXd::Identity(dim, dim));
  layer.jvp(tape, columns);
  return to_matrix(columns);
}

double log_abs_det(const Eigen::MatrixXd& matrix) {
  const Eigen::PartialPivLU<Eigen::MatrixXd> factors(matrix);
  return factors.matrixLU().diagonal().array().abs().log().sum();
}

Eigen::VectorXd singular_values(const Eigen::MatrixXd& matrix) {
  return Eigen::JacobiSVD<Eigen::MatrixXd>(matrix).singularValues();
}

}  // namespace flotilla::test
