// SPDX-License-Identifier: BSD-3-Clause

// Stan models, by stand-ins for BridgeStan's libraries (tests/stan).
#include "target/stan_density.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <random>

#include "flotilla/core/error.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla {
namespace {

constexpr Index kDim = 8;
constexpr const char* kVersions[] = {"version_1", "version_2", "unnumbered"};

std::string library_path(const std::string& stand_in) {
  return std::string(FLOTILLA_STAND_INS) + "/" + stand_in + ".so";
}

std::unique_ptr<Density> open(const std::string& stand_in, const std::string& arguments = "",
                              Index dim = kDim) {
  return open_density({library_path(stand_in), arguments}, dim);
}

/// The sentence with which a library is refused.
std::string refusal(const std::string& stand_in, const std::string& arguments = "",
                    Index dim = kDim) {
  try {
    open(stand_in, arguments, dim);
  } catch (const InputError& error) {
    return error.what();
  }
  return "it was not refused";
}

void expect_words(const std::string& sentence, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    EXPECT_NE(sentence.find(word), std::string::npos) << word << " is not in: " << sentence;
  }
  EXPECT_EQ(sentence.find('\n'), std::string::npos) << sentence;
}

std::vector<double> random_points(Index count) {
  std::mt19937 generator(3);
  std::normal_distribution<double> normal;
  std::vector<double> points(static_cast<std::size_t>(count * kDim));
  for (double& value : points) value = normal(generator);
  return points;
}

struct Evaluated {
  std::vector<double> values;
  std::vector<double> gradient;
};

Evaluated evaluated(const Density& density, const std::vector<double>& points) {
  const Index count = static_cast<Index>(points.size()) / kDim;
  Evaluated found{std::vector<double>(static_cast<std::size_t>(count)),
                  std::vector<double>(points.size())};
  density.evaluate({count, kDim, points.data()}, found.values.data(), found.gradient.data());
  return found;
}

/// The log density of unconstrained parameters, normalised, in closed form.
double normalised(const double* u) {
  const auto normal = [](double at, double mean, double spread) {
    const double distance = (at - mean) / spread;
    return -0.5 * distance * distance - std::log(spread) - 0.5 * std::log(2.0 * M_PI);
  };
  double sum = normal(u[0], 0.0, 1.0) + normal(u[1], 0.0, 0.5);
  for (int column = 1, k = 2; column <= 3; ++column) {
    for (int row = 1; row <= 2; ++row, ++k) sum += normal(u[k], 2.0 * row + 0.5 * column, 1.0);
  }
  return sum;
}

TEST(StanDensity, KeepsConstantsAndCountsTheJacobianInEveryVersion) {
  const std::vector<double> points = random_points(5);
  int compared = 0;
  for (const char* version : kVersions) {
    const std::unique_ptr<Density> density = open(version);
    EXPECT_EQ(density->dim(), kDim);
    const Evaluated found = evaluated(*density, points);
    for (std::size_t k = 0; k < found.values.size(); ++k, ++compared) {
      EXPECT_NEAR(found.values[k], normalised(points.data() + k * kDim), 1e-10) << version;
    }
  }
  EXPECT_EQ(compared, 15);
}

TEST(StanDensity, GradientAgreesWithFiniteDifferences) {
  const std::unique_ptr<Density> density = open("version_2");
  std::vector<double> point = random_points(1);
  const std::vector<double> gradient = evaluated(*density, point).gradient;
  constexpr double kStep = 1e-5;
  ASSERT_EQ(gradient.size(), point.size());
  for (std::size_t i = 0; i < point.size(); ++i) {
    const double middle = point[i];
    point[i] = middle + kStep;
    const double above = normalised(point.data());
    point[i] = middle - kStep;
    const double below = normalised(point.data());
    point[i] = middle;
    EXPECT_NEAR(gradient[i], (above - below) / (2.0 * kStep), 1e-6) << i;
  }
}

TEST(StanDensity, AValueHasTheSameBitsWithoutAGradient) {
  const std::unique_ptr<Density> density = open("version_2");
  const std::vector<double> points = random_points(3);
  const std::vector<double> with = evaluated(*density, points).values;
  std::vector<double> without(with.size());
  density->evaluate({3, kDim, points.data()}, without.data(), nullptr);
  EXPECT_EQ(std::memcmp(with.data(), without.data(), with.size() * sizeof(double)), 0);
}

TEST(StanDensity, AnExceptionTakesThePointAwayAndNoOther) {
  std::vector<double> points = random_points(3);
  points[kDim] = 7.0;
  int compared = 0;
  for (const char* version : kVersions) {
    const std::vector<double> values = evaluated(*open(version, R"({"limit": 5})"), points).values;
    EXPECT_TRUE(std::isfinite(values[0]));
    EXPECT_TRUE(std::isnan(values[1]));
    EXPECT_TRUE(std::isfinite(values[2]));
    ++compared;
  }
  EXPECT_EQ(compared, 3);
}

TEST(StanDensity, EveryMessageIsFreed) {
  const SharedLibrary library(library_path("version_2"));
  const auto waiting = library.get<int()>("stand_in_messages");
  std::vector<double> points = random_points(4);
  points[0] = points[kDim] = 7.0;
  evaluated(*open("version_2", R"({"limit": 5})"), points);
  refusal("version_2", "no JSON");
  EXPECT_EQ(waiting(), 0);
}

TEST(StanDensity, DerivesConstrainedAndTransformedParametersInStansOrder) {
  const std::vector<double> points = random_points(2);
  int compared = 0;
  for (const char* version : kVersions) {
    const std::unique_ptr<Density> density = open(version);
    const std::vector<std::string> names = {"mu",    "tau",   "a.1.1", "a.2.1",   "a.1.2",
                                            "a.2.2", "a.1.3", "a.2.3", "theta.1", "theta.2"};
    ASSERT_EQ(density->outputs(), names);
    std::vector<double> values(2 * names.size());
    density->derive({2, kDim, points.data()}, values.data());
    for (std::size_t k = 0; k < 2; ++k, ++compared) {
      const double* const point = points.data() + k * kDim;
      const double* const found = values.data() + k * names.size();
      EXPECT_EQ(found[0], point[0]);
      EXPECT_EQ(found[1], std::exp(point[1]));
      for (int i = 2; i < kDim; ++i) EXPECT_EQ(found[i], point[i]);
      EXPECT_EQ(found[8], point[0]);
      EXPECT_EQ(found[9], 2.0 * std::exp(point[1]));
    }
  }
  EXPECT_EQ(compared, 6);
}

TEST(StanDensity, IndicesOfAMatrixMakeItsShape) {
  const std::vector<DerivedVariable> variables = derived_variables(open("version_2")->outputs());
  ASSERT_EQ(variables.size(), 4U);
  EXPECT_EQ(variables[2].name, "a");
  EXPECT_EQ(variables[2].shape, (std::vector<Index>{2, 3}));
  EXPECT_EQ(variables[2].columns, (std::vector<Index>{2, 4, 6, 3, 5, 7}));
  EXPECT_EQ(variables[3].shape, (std::vector<Index>{2}));
}

TEST(StanDensity, GeneratedQuantitiesDependOnThePointAlone) {
  constexpr Index kCount = 4000;
  const std::unique_ptr<Density> density = open("version_2", "generated");
  ASSERT_EQ(density->outputs().back(), "y");
  const std::vector<double> points = random_points(kCount);
  const std::size_t width = density->outputs().size();
  std::vector<double> together(kCount * width);
  density->derive({kCount, kDim, points.data()}, together.data());
  double sum = 0.0;
  double squares = 0.0;
  std::vector<double> alone(width);
  for (std::size_t k = 0; k < kCount; ++k) {
    const double* const values = together.data() + k * width;
    density->derive({1, kDim, points.data() + k * kDim}, alone.data());
    ASSERT_EQ(std::memcmp(alone.data(), values, width * sizeof(double)), 0);
    const double noise = values[width - 1] - values[0];
    sum += noise;
    squares += noise * noise;
  }
  // noise ~ N(0, 1)
  EXPECT_NEAR(sum / kCount, 0.0, 4.0 / std::sqrt(kCount));
  EXPECT_NEAR(squares / kCount, 1.0, 4.0 * std::sqrt(2.0 / kCount));
}

TEST(StanDensity, DataIsAFileOrATextWithOrWithoutGeneratedQuantities) {
  const test::ScratchDirectory scratch;
  const std::string file = scratch.file("data with spaces.json");
  std::ofstream(file) << R"({"m": 2.5})";
  std::vector<double> point = random_points(1);
  point[0] = 2.5;
  int compared = 0;
  for (const std::string& data : {file, std::string(R"({"m": 2.5})")}) {
    for (const char* ending : {"", " generated"}) {
      const std::unique_ptr<Density> density = open("version_2", data + ending);
      EXPECT_EQ(evaluated(*density, point).gradient[0], 0.0) << data << ending;
      EXPECT_EQ(density->outputs().size(), *ending == '\0' ? 10U : 11U);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 4);
}

TEST(StanDensity, WhatIsWrongIsToldInOneSentence) {
  expect_words(refusal("version_2", "no JSON"),
               {"version_2.so", "'no JSON'", "expected a JSON object"});
  expect_words(refusal("version_2", "nowhere.json"), {"cannot read the file nowhere.json"});
  expect_words(refusal("version_1", "no JSON"), {"version_1.so", "'no JSON'"});
  expect_words(refusal("version_3"), {"version 3 of BridgeStan", "versions 1 to 2"});
  expect_words(refusal("version_1", "generated"), {"bs_rng_construct", "'generated'"});
  expect_words(refusal("version_2", "", 3), {"8 coordinates", "the flow has 3"});
}

}  // namespace
}  // namespace flotilla
