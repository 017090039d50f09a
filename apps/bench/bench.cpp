// Times every operation of a flow and every kernel's step on one tile of chains, in chain-steps per
// second and as shares of what this core does at best, measured in the same run.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <ctime>
#include <functional>
#include <memory>
#include <string>

#include "flotilla/sampler/kernel.hpp"
#include "peak.hpp"
#include "random_flow.hpp"

namespace flotilla::bench {
namespace {

constexpr Index kChains = 64;  // the program's own tile width

/// A flow of one size in one precision, with a tile of chains that stand at typical points.
template <typename T>
struct Stage {
  explicit Stage(const FlowRecord& record)
      : flow(record),
        target(flow.base(), 1.0),
        metric(flow, target, std::make_unique<MetricMala<T>>(), 0.0),
        work(flow, kChains),
        v(flow.dim(), kChains),
        log_det_bar(1, kChains) {
    flow.base().sample(Random(1), Purpose::kStart, 0, 0, ColumnMask::all(work.current.z.chains()),
                       work.current.z);
    flow.base().sample(Random(1), Purpose::kNaive, 0, 0, ColumnMask::all(v.chains()), v);
    metric.evaluate(work, work.current);
  }

  Flow<T> flow;
  TemperedTarget<T> target;
  Kernel<T> metric;
  Workspace<T> work;
  Batch<T> v;
  Batch<T> log_det_bar;
};

struct Size {
  const char* name;
  Index dim;
  std::vector<Index> widths;
};

/// Counts what a benchmark's loop did in its own processor time, so that shares are plain numbers.
class Meter {
 public:
  /// @param passes  conditioner passes of one call
  Meter(double multiply_adds, double passes, const Peak& peak)
      : flops_(2.0 * multiply_adds * passes * static_cast<double>(kChains)), peak_(peak) {}

  void report(benchmark::State& state) const {
    const double seconds = static_cast<double>(std::clock() - begin_) / CLOCKS_PER_SEC;
    const double calls = static_cast<double>(state.iterations()) / seconds;
    state.counters["chain_steps_per_s"] = calls * static_cast<double>(kChains);
    state.counters["gflop_per_s"] = calls * flops_ * 1e-9;
    state.counters["of_gemm_peak"] = calls * flops_ / peak_.gemm;
    state.counters["of_fma_peak"] = calls * flops_ / peak_.fma;
  }

 private:
  double flops_;
  Peak peak_;
  std::clock_t begin_ = std::clock();
};

template <typename T>
void add_flow_operations(const std::string& prefix, const std::shared_ptr<Stage<T>>& stage,
                         const Peak& peak) {
  const auto add = [&](const char* name, std::function<void(Stage<T>&)> call) {
    benchmark::RegisterBenchmark((prefix + name).c_str(), [=](benchmark::State& state) {
      const Batch<T> start = stage->v;
      const Meter meter(static_cast<double>(stage->flow.multiply_adds()), 1.0, peak);
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

template <typename T>
void add_kernels(const std::string& prefix, const std::shared_ptr<Stage<T>>& stage,
                 const Peak& peak) {
  const auto add = [&](const char* name, std::unique_ptr<LocalMove<T>> local, double global) {
    const auto kernel =
        std::make_shared<Kernel<T>>(stage->flow, stage->target, std::move(local), global);
    benchmark::RegisterBenchmark((prefix + name).c_str(), [=](benchmark::State& state) {
      const Random random(1);
      const StepSize step_size(0.05);
      std::uint64_t step = 0;
      kernel->evaluate(stage->work, stage->work.current);
      const Meter meter(static_cast<double>(stage->flow.multiply_adds()), kernel->passes(), peak);
      for (auto _ : state) kernel->step(random, step++, 0, step_size, stage->work);
      meter.report(state);
    });
  };
  add("step/metric_mala", std::make_unique<MetricMala<T>>(), 0.0);
  add("step/mala", std::make_unique<EuclideanMala<T>>(), 0.0);
  add("step/independence", std::make_unique<MetricMala<T>>(), 1.0);
  add("step/mixture", std::make_unique<MetricMala<T>>(), 0.1);
}

template <typename T>
void add_all(const std::string& precision) {
  const Peak peak = measure_peak<T>();
  fmt::print("{}: this core reaches {:.0f} GFLOP/s in a matrix product, {:.0f} in registers\n",
             precision, peak.gemm * 1e-9, peak.fma * 1e-9);
  for (const Size& size : {Size{"2d_64x64", 2, {64, 64}}, Size{"784d_512x512", 784, {512, 512}}}) {
    const auto stage = std::make_shared<Stage<T>>(random_realnvp(size.dim, 8, size.widths));
    const std::string prefix = fmt::format("{}/{}/", precision, size.name);
    add_flow_operations(prefix, stage, peak);
    add_kernels(prefix, stage, peak);
  }
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
