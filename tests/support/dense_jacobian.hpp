// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <Eigen/Dense>
#include <functional>

#include "flotilla/flow/layer.hpp"

namespace flotilla::test {

/// Finite differences with this step reach ten digits on layers as smooth as silu and tanh.
inline constexpr double kSmoothStep = 0x1p-9;
/// Small enough that hardly any difference straddles a kink of relu, leaky_relu or elu; rounding
/// leaves about nine digits.
inline constexpr double kKinkedStep = 0x1p-17;

/// A layer at the columns of z, one column a point.
struct Images {
  Eigen::MatrixXd x;           ///< [dim x points]
  Eigen::RowVectorXd log_det;  ///< [points]
};
Images images(const Layer<double>& layer, const Eigen::MatrixXd& z);

/// The derivatives of a layer at one point, from its values at other points and nothing else:
/// central differences, extrapolated twice (Richardson), so that the error is of order step^6.
struct Differences {
  Eigen::MatrixXd jacobian;          ///< J(i, j) = dx_i / dz_j
  Eigen::VectorXd log_det_gradient;  ///< grad_z log|det J|
};
Differences differentiate(const Layer<double>& layer, const Eigen::VectorXd& z,
                          double step = kSmoothStep);

/// The gradient of a function, in the same way.
Eigen::VectorXd gradient(const std::function<double(const Eigen::VectorXd&)>& function,
                         const Eigen::VectorXd& z, double step = kSmoothStep);

/// J(z) by finite differences: uses forward() alone, none of the layer's own derivatives.
Eigen::MatrixXd dense_jacobian(const Layer<double>& layer, const Eigen::VectorXd& z,
                               double step = kSmoothStep);

/// J(z) column by column by jvp(): accurate to rounding, but no independent truth.
Eigen::MatrixXd jacobian_by_products(const Layer<double>& layer, const Eigen::VectorXd& z);

/// log|det M| by LU.
double log_abs_det(const Eigen::MatrixXd& matrix);

/// By Jacobi rotations; descending.
Eigen::VectorXd singular_values(const Eigen::MatrixXd& matrix);

}  // namespace flotilla::test
