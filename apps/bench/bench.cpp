// SPDX-License-Identifier: BSD-3-Clause

// Times every operation of a flow and a step of every kernel, on one tile of chains. Results are
// chain-steps per second, and shares of what this core does at best, measured in the same run.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "convolutions.hpp"
#include "flotilla/io/flow_file.hpp"
#include "flotilla/sampler/kernel.hpp"
#include "flow/coordinates/spline_map.hpp"
#include "flow/curves/curve_map.hpp"
#include "flow/curves/network_curves.hpp"
#include "meter.hpp"
#include "peak.hpp"
#include "random_flow.hpp"

namespace flotilla::bench {
namespace {

/// A density that costs nothing: what its target takes is the cost of the interface.
class FreeDensity final : public Density {
 public:
  const std::string& name() const override { return name_; }
  Index dim() const override { return 0; }
  void evaluate(const DataPoints& points, double* log_density, double* gradient) const override {
    std::fill_n(log_density, points.count, 0.0);
    if (gradient != nullptr) std::fill_n(gradient, points.count * points.dim, 0.0);
  }

 private:
  std::string name_ = "free";
};

/// A flow of one size in one precision, and a tile of chains at typical points.
template <typename T>
struct Stage {
  explicit Stage(const FlowRecord& record)
      : flow(record),
        target(flow.base(), 1.0),
        exact(flow.base(), density, DensityRole::kExplicit, 1.0),
        metric(flow, target, std::make_unique<MetricMala<T>>(), 0.0),
        work(metric, kChains),
        v(flow.dim(), kChains),
        log_det_bar(1, kChains) {
    const ColumnMask all = ColumnMask::all(kChains);
    flow.base().sample(Random(1), Purpose::kStart, 0, 0, all, v);
    metric.begin(work, v);
    flow.base().sample(Random(1), Purpose::kNaive, 0, 0, all, v);
  }

  Flow<T> flow;
  TemperedTarget<T> target;
  FreeDensity density;
  DensityTarget<T> exact;
  Kernel<T> metric;
  Workspace<T> work;
  Batch<T> v;
  Batch<T> log_det_bar;
};

struct Size {
  std::string name;
  Kind kind;
  Index dim;
  int layers;
  std::vector<Index> widths;
};

/// The two RealNVPs of the first table in apps/bench/README.md, small ones of 32 dimensions, and
/// every kind of layer in three dimensions.
std::vector<Size> sizes() {
  std::vector<Size> all = {{"2d_64x64", Kind::kAffineCoupling, 2, 8, {64, 64}},
                           {"784d_512x512", Kind::kAffineCoupling, 784, 8, {512, 512}},
                           {"32d_32", Kind::kAffineCoupling, 32, 2, {32}},
                           {"32d_64x64", Kind::kAffineCoupling, 32, 6, {64, 64}},
                           {"32d_128x128", Kind::kAffineCoupling, 32, 8, {128, 128}}};
  const std::vector<std::pair<const char*, Kind>> kinds = {{"affine", Kind::kAffineCoupling},
                                                           {"spline", Kind::kSplineCoupling},
                                                           {"maf", Kind::kMaf},
                                                           {"iaf", Kind::kIaf}};
  const std::vector<std::pair<Index, Index>> shapes = {{8, 64}, {64, 256}, {512, 512}};
  for (const auto& [name, kind] : kinds) {
    for (const auto& [dim, width] : shapes) {
      all.push_back({fmt::format("{}_{}d", name, dim), kind, dim, 4, {width, width}});
    }
  }
  return all;
}

template <typename T>
void add_flow_operations(const std::string& prefix, const std::shared_ptr<Stage<T>>& stage,
                         const Peak& peak) {
  const auto add = [&](const char* name, std::function<void(Stage<T>&)> call) {
    benchmark::RegisterBenchmark((prefix + name).c_str(), [=](benchmark::State& state) {
      const Batch<T> start = stage->v;
      const Meter meter(static_cast<double>(stage->flow.multiply_adds()), peak);
      for (auto _ : state) {
        stage->v = start;  // keeps repeated products from growing without bound
        call(*stage);
      }
      meter.report(state);
    });
  };
  add("forward",
      [](Stage<T>& s) { s.flow.forward(s.v, s.work.proposed.log_det, s.work.proposed.tape); });
  add("inverse",
      [](Stage<T>& s) { s.flow.inverse(s.v, s.work.proposed.log_det, s.work.proposed.tape); });
  add("jvp", [](Stage<T>& s) { s.flow.jvp(s.work.current.tape, s.v); });
  add("vjp", [](Stage<T>& s) { s.flow.vjp(s.work.current.tape, s.v, s.log_det_bar); });
  add("inverse_jvp", [](Stage<T>& s) { s.flow.inverse_jvp(s.work.current.tape, s.v); });
  add("inverse_vjp",
      [](Stage<T>& s) { s.flow.inverse_vjp(s.work.current.tape, s.v, s.log_det_bar); });
}

Index recorded_rows(const TapeShape& shape) {
  Index rows = 0;
  for (const Index count : shape.recorded) rows += count;
  for (const TapeShape& child : shape.children) rows += recorded_rows(child);
  return rows;
}

/// Memory of the tapes and points of a rank's one workspace. An idle chain takes 8 bytes per
/// coordinate on top: its position.
template <typename T>
double workspace_bytes(const Kernel<T>& kernel) {
  const Index tapes = kernel.keeps_tape() ? 2 : 1;
  const Index dim = kernel.flow().dim();
  const TapeShape shape = kernel.flow().tape_shape();
  const std::vector<Index> scratch = shape.shared_scratch();
  const Index of_tape = std::accumulate(scratch.begin(), scratch.end(), recorded_rows(shape));
  const Index rows = tapes * of_tape + 9 * dim;
  return static_cast<double>(kChains) *
         (static_cast<double>(rows * static_cast<Index>(sizeof(T)) + 16 * dim));
}

template <typename T>
void add_kernels(const std::string& prefix, const std::shared_ptr<Stage<T>>& stage,
                 const Peak& peak) {
  const auto add = [&](const char* name, std::unique_ptr<LocalMove<T>> local, double global,
                       const Target<T>& target) {
    const auto kernel = std::make_shared<Kernel<T>>(stage->flow, target, std::move(local), global);
    benchmark::RegisterBenchmark((prefix + name).c_str(), [=](benchmark::State& state) {
      const Random random(1);
      const Tuning tuning{StepSize(0.05)};
      std::uint64_t step = 0;
      Workspace<T> work(*kernel, kChains);
      kernel->begin(work, stage->work.current.position);
      kernel->start_memory(random, 0, work);
      const Meter meter(kernel->passes() * static_cast<double>(stage->flow.multiply_adds()), peak);
      for (auto _ : state) kernel->step(random, step++, 0, tuning, work);
      meter.report(state);
      state.counters["workspace_mb"] = 1e-6 * workspace_bytes<T>(*kernel);
    });
  };
  const Target<T>& tempered = stage->target;
  add("step/metric_mala", std::make_unique<MetricMala<T>>(), 0.0, tempered);
  add("step/mala", std::make_unique<EuclideanMala<T>>(), 0.0, tempered);
  add("step/ghmc", std::make_unique<Ghmc<T>>(), 0.0, tempered);
  add("step/ghmc_explicit", std::make_unique<Ghmc<T>>(), 0.0, stage->exact);
  add("step/independence", std::make_unique<MetricMala<T>>(), 1.0, tempered);
  add("step/mixture", std::make_unique<MetricMala<T>>(), 0.1, tempered);
}

/// The element-wise work of a map of coordinates alone, per coordinate and chain: what it adds to a
/// conditioner. Both directions compute derivatives, because the tape records them.
template <typename T, typename Map>
void add_map(const std::string& prefix, const LayerRecord& record) {
  const auto map = std::make_shared<Map>(LayerReader(record, "map", 2));
  const auto add = [&](const char* name, auto call) {
    benchmark::RegisterBenchmark((prefix + "/" + name).c_str(), [=](benchmark::State& state) {
      Batch<T> theta(map->parameters(), kChains);
      Batch<T> tape(map->recorded(), kChains);
      Batch<T> start(1, kChains);
      PerChain log_det(1, kChains);
      Random(1).normals(Purpose::kNaive, 0, 0, theta);
      Random(1).normals(Purpose::kNaive, 1, 0, start);
      Batch<T> value = start;
      const std::clock_t begin = std::clock();
      for (auto _ : state) {
        value = start;
        call(*map, theta.row(0), tape.row(0), value.row(0), log_det.row(0));
        benchmark::ClobberMemory();
      }
      const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
      const double elements = static_cast<double>(state.iterations() * kChains);
      state.counters["ns_per_element"] = 1e9 * seconds / elements;
    });
  };
  add("forward", [](const Map& own, T* theta, T* tape, T* value, double* log_det) {
    own.forward(theta, tape, value, log_det, kChains);
  });
  add("inverse", [](const Map& own, T* theta, T* tape, T* value, double* log_det) {
    own.inverse(theta, tape, value, log_det, kChains);
  });
}

/// The record of a map that has numbers alone.
LayerRecord map_record(std::string_view type, std::map<std::string, double> numbers) {
  return {std::string(type), {}, std::move(numbers), {}};
}

/// Splines, and curves at the sizes that zuko and pyro have by default.
template <typename T>
void add_maps(const std::string& precision) {
  constexpr double kBins = 1.0 * kSplineBins;
  add_map<T, SplineMap<T>>(precision + "/spline",
                           map_record(SplineMap<T>::kCoupling, {{"bins", kBins}, {"bound", 3.0}}));
  add_map<T, RationalLinearMap<T>>(precision + "/rational_linear",
                                   map_record(RationalLinearMap<T>::kCoupling, {{"bins", kBins}}));
  add_map<T, LinearSplineMap<T>>(precision + "/linear_spline",
                                 map_record(LinearSplineMap<T>::kCoupling, {{"bins", kBins}}));
  add_map<T, QuadraticSplineMap<T>>(
      precision + "/quadratic_spline",
      map_record(QuadraticSplineMap<T>::kCoupling, {{"bins", kBins}}));
  add_map<T, CubicSplineMap<T>>(precision + "/cubic_spline",
                                map_record(CubicSplineMap<T>::kCoupling, {{"bins", kBins}}));
  add_map<T, BernsteinMap<T>>(precision + "/bernstein",
                              map_record(BernsteinMap<T>::kCoupling, {{"parameters", 17.0}}));
  add_map<T, SumOfSquaresMap<T>>(
      precision + "/sum_of_squares",
      map_record(SumOfSquaresMap<T>::kCoupling, {{"polynomials", 3.0}, {"degree", 4.0}}));
  add_map<T, GaussianizationMap<T>>(
      precision + "/gaussianization",
      map_record(GaussianizationMap<T>::kCoupling, {{"components", 8.0}}));
  add_map<T, MonotoneNetworkMap<T>>(precision + "/monotone_network",
                                    network_map(MonotoneNetworkMap<T>::kCoupling, true));
  LayerRecord integral = network_map(IntegratedNetworkMap<T>::kCoupling, false);
  integral.numbers["points"] = 32.0;
  add_map<T, IntegratedNetworkMap<T>>(precision + "/integrated_network", integral);
}

template <typename T>
void add_flow(const std::string& prefix, const FlowRecord& record, const Peak& peak) {
  const auto stage = std::make_shared<Stage<T>>(record);
  add_flow_operations(prefix, stage, peak);
  add_kernels(prefix, stage, peak);
}

template <typename T>
void add_all(const std::string& precision) {
  const Peak peak = measure_peak<T>();
  fmt::print("{}: this core reaches {:.0f} GFLOP/s in a matrix product, {:.0f} in registers\n",
             precision, peak.gemm * 1e-9, peak.fma * 1e-9);
  for (const Size& size : sizes()) {
    add_flow<T>(fmt::format("{}/{}/", precision, size.name),
                random_flow(size.kind, size.dim, size.layers, size.widths), peak);
  }
  add_flow<T>(precision + "/glow_784d/", read_flow_file(FLOTILLA_GLOW), peak);
  add_convolutions<T>(precision, peak);
  add_maps<T>(precision);
}

}  // namespace
}  // namespace flotilla::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  flotilla::bench::add_all<float>("float");
  flotilla::bench::add_all<double>("double");
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
