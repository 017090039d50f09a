// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <Eigen/Dense>
#include <functional>

#include "flotilla/flow/layer.hpp"

namespace flotilla::test {

/// With this step, finite differences reach ten digits on layers as smooth as silu and tanh.
inline constexpr double kSmoothStep = 0x1p-9;
/// So small that hardly any difference straddles a kink of relu, leaky_relu or elu. Rounding leaves
/// about nine digits.
inline constexpr double kKinkedStep = 0x1p-17;

/// The values of a layer at the columns of z, one column per point.
struct Images {
  Eigen::MatrixXd x;           ///< [dim x points]
  Eigen::RowVectorXd log_det;  ///< [points]
};
Images images(const Layer<double>& layer, const Eigen::MatrixXd& z);

/// The derivatives of a layer at one point, computed only from its values at other points. Central
/// differences are extrapolated twice (Richardson), so the error is of order step^6.
struct Differences {
  Eigen::MatrixXd jacobian;          ///< J(i, j) = dx_i / dz_j
  Eigen::VectorXd log_det_gradient;  ///< grad_z log|det J|
};
Differences differentiate(const Layer<double>& layer, const Eigen::VectorXd& z,
                          double step = kSmoothStep);

/// The gradient of a function, computed in the same way.
Eigen::VectorXd gradient(const std::function<double(const Eigen::VectorXd&)>& function,
                         const Eigen::VectorXd& z, double step = kSmoothStep);

/// J(z) by finite differences. It uses forward() alone, none of the layer's own derivatives.
Eigen::MatrixXd dense_jacobian(const Layer<double>& layer, const Eigen::VectorXd& z,
                               double step = kSmoothStep);

/// J(z) column by column through jvp(). Accurate to rounding, but not an independent truth.
Eigen::MatrixXd jacobian_by_products(const Layer<double>& layer, const Eigen::VectorXd& z);

/// log|det M|, by LU decomposition.
double log_abs_det(const Eigen::MatrixXd& matrix);

/// Singular values by Jacobi rotations, in descending order.
Eigen::VectorXd singular_values(const Eigen::MatrixXd& matrix);

}  // namespace flotilla::test
