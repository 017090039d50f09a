// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "flow/layer_contract/scene.hpp"
#include "support/batches.hpp"

// Tests the products with J and J^-1, for every layer type. The truth is a dense Jacobian from
// finite differences of forward() in double precision. Products are also compared with each other.

namespace flotilla::test {
namespace {

class LayerProducts : public LayerContract {};
INSTANTIATE_TEST_SUITE_P(, LayerProducts, testing::ValuesIn(layer_cases()), name_of);

/// One column per point of a scene, made of the dense derivatives at the point.
template <typename Column>
Eigen::MatrixXd expected_columns(const Scene& scene, Column column) {
  Eigen::MatrixXd expected(scene.dim(), scene.chains);
  Index c = 0;
  for (const Differences& at : scene.differences()) {
    const Eigen::VectorXd values = column(at, c);
    expected.col(c++) = values;
  }
  return expected;
}

TEST_P(LayerProducts, JvpIsTheDenseJacobianTimesAVector) {
  holds([](const Scene& scene) {
    const Eigen::MatrixXd expected =
        expected_columns(scene, [&](const Differences& at, Index c) -> Eigen::VectorXd {
          return at.jacobian * scene.v.col(c);
        });
    const Eigen::MatrixXd found = scene.layer->forward(scene.z)->jvp(scene.v);
    EXPECT_LE(largest_deviation(found, expected), scene.differencing());
  });
}

TEST_P(LayerProducts, VjpOfALogDetCotangentAloneIsTheGradientOfTheLogDet) {
  holds([](const Scene& scene) {
    const Eigen::MatrixXd expected = expected_columns(
        scene, [](const Differences& at, Index /*c*/) { return at.log_det_gradient; });
    const Eigen::MatrixXd found = scene.layer->forward(scene.z)->vjp(
        Eigen::MatrixXd::Zero(scene.dim(), scene.chains), Eigen::MatrixXd::Ones(1, scene.chains));
    EXPECT_LE(largest_deviation(found, expected), scene.differencing());
  });
}

/// w plus log_det_bar times the log det's gradient at point c.
Eigen::VectorXd with_log_det_share(const Scene& scene, const Differences& at, Index c,
                                   const Eigen::VectorXd& w) {
  return w + scene.log_det_bar(0, c) * at.log_det_gradient;
}

TEST_P(LayerProducts, VjpIsTheTransposedJacobianPlusItsShareOfTheLogDet) {
  holds([](const Scene& scene) {
    const Eigen::MatrixXd expected =
        expected_columns(scene, [&](const Differences& at, Index c) -> Eigen::VectorXd {
          return with_log_det_share(scene, at, c, at.jacobian.transpose() * scene.w.col(c));
        });
    const Eigen::MatrixXd found = scene.layer->forward(scene.z)->vjp(scene.w, scene.log_det_bar);
    EXPECT_LE(largest_deviation(found, expected), scene.differencing());
  });
}

TEST_P(LayerProducts, InverseJvpSolvesWithTheDenseJacobian) {
  holds([](const Scene& scene) {
    const Eigen::MatrixXd expected =
        expected_columns(scene, [&](const Differences& at, Index c) -> Eigen::VectorXd {
          return at.jacobian.partialPivLu().solve(scene.v.col(c));
        });
    const Eigen::MatrixXd found = scene.layer->forward(scene.z)->inverse_jvp(scene.v);
    EXPECT_LE(largest_deviation(found, expected),
              32.0 * scene.differencing());  // J^-1 magnifies the error of the solution
  });
}

TEST_P(LayerProducts, InverseVjpSolvesWithTheTransposedDenseJacobian) {
  holds([](const Scene& scene) {
    const Eigen::MatrixXd expected =
        expected_columns(scene, [&](const Differences& at, Index c) -> Eigen::VectorXd {
          const Eigen::MatrixXd transposed = at.jacobian.transpose();
          return transposed.partialPivLu().solve(with_log_det_share(scene, at, c, scene.w.col(c)));
        });
    const Eigen::MatrixXd found =
        scene.layer->forward(scene.z)->inverse_vjp(scene.w, scene.log_det_bar);
    EXPECT_LE(largest_deviation(found, expected), 32.0 * scene.differencing());
  });
}

/// Whether <w, forth> and <back, v> agree in every column, relative to |w| |forth|.
void expect_adjoint(const Scene& scene, const Eigen::MatrixXd& forth, const Eigen::MatrixXd& back) {
  const Eigen::RowVectorXd scale =
      scene.w.colwise().norm().array() * forth.colwise().norm().array() + 1e-3;
  const Eigen::RowVectorXd one = (scene.w.array() * forth.array()).colwise().sum() / scale.array();
  const Eigen::RowVectorXd other = (back.array() * scene.v.array()).colwise().sum() / scale.array();
  EXPECT_LE(largest_deviation(one, other), scene.amplified_rounding());
}

TEST_P(LayerProducts, JvpAndVjpAreAdjoint) {
  holds([](const Scene& scene) {
    const auto there = scene.layer->forward(scene.z);
    expect_adjoint(scene, there->jvp(scene.v), there->vjp(scene.w, scene.no_bar));
  });
}

TEST_P(LayerProducts, InverseJvpAndInverseVjpAreAdjoint) {
  holds([](const Scene& scene) {
    const auto there = scene.layer->forward(scene.z);
    expect_adjoint(scene, there->inverse_jvp(scene.v), there->inverse_vjp(scene.w, scene.no_bar));
  });
}

TEST_P(LayerProducts, InverseProductsAreInverses) {
  holds([](const Scene& scene) {
    const auto there = scene.layer->forward(scene.z);
    const double tolerance = scene.amplified_rounding();
    const Eigen::MatrixXd& v = scene.v;
    const Eigen::MatrixXd& w = scene.w;
    const Eigen::MatrixXd& none = scene.no_bar;
    EXPECT_LE(largest_deviation(there->jvp(there->inverse_jvp(v)), v), tolerance);
    EXPECT_LE(largest_deviation(there->inverse_jvp(there->jvp(v)), v), tolerance);
    EXPECT_LE(largest_deviation(there->vjp(there->inverse_vjp(w, none), none), w), tolerance);
    EXPECT_LE(largest_deviation(there->inverse_vjp(there->vjp(w, none), none), w), tolerance);
  });
}

TEST_P(LayerProducts, PointsReachedByInverseHaveThoseOfPointsReachedByForward) {
  holds([](const Scene& scene) {
    const auto there = scene.layer->forward(scene.z);
    const auto back = scene.layer->inverse(there->image());
    // The two points differ by an amplified rounding; curvature amplifies it once more.
    EXPECT_LE(largest_deviation(products(*back, scene), products(*there, scene)),
              32.0 * scene.amplified_rounding());
  });
}

TEST_P(LayerProducts, LeaveTheTapeAsItIs) {
  holds([](const Scene& scene) {
    const auto there = scene.layer->forward(scene.z);
    const Eigen::MatrixXd first = products(*there, scene);
    EXPECT_EQ(differing_bits(first, products(*there, scene)), 0);
  });
}

}  // namespace
}  // namespace flotilla::test
