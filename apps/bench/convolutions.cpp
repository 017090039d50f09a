// SPDX-License-Identifier: BSD-3-Clause
#include "convolutions.hpp"

#include <fmt/format.h>

#include <memory>
#include <numeric>
#include <vector>

#include "flotilla/core/random.hpp"
#include "flow/conditioner/network.hpp"
#include "meter.hpp"

namespace flotilla::bench {
namespace {

/// Side of the square image, channels in, channels out, side of the kernel.
struct Shape {
  Index side;
  Index inputs;
  Index outputs;
  Index kernel;
};

/// A convolution alone as a conditioner, from the first channels of an image to the others.
template <typename T>
std::shared_ptr<const Network<T>> network_of(const Shape& shape) {
  const Index pixels = shape.side * shape.side;
  const Index channels = shape.inputs + shape.outputs;
  LayerRecord record{"convolution", {{"network", "linear"}}, {}, {}};
  const auto side = static_cast<double>(shape.side);
  record.arrays["image"] = {{3}, {static_cast<double>(channels), side, side}};
  const Index weights = shape.outputs * shape.inputs * shape.kernel * shape.kernel;
  record.arrays["weight_0"] = {{shape.outputs, shape.inputs, shape.kernel, shape.kernel},
                               std::vector<double>(static_cast<std::size_t>(weights), 0.01)};
  record.arrays["bias_0"] = {{shape.outputs},
                             std::vector<double>(static_cast<std::size_t>(shape.outputs), 0.0)};
  Wiring wiring = Wiring::plain(shape.inputs * pixels, shape.outputs * pixels);
  wiring.on_image = true;
  wiring.kept = wiring.inputs;
  wiring.moved.resize(static_cast<std::size_t>(shape.outputs * pixels));
  std::iota(wiring.moved.begin(), wiring.moved.end(), shape.inputs * pixels);
  return std::make_shared<const Network<T>>(LayerReader(record, "convolution", channels * pixels),
                                            wiring);
}

template <typename T>
void add(const std::string& precision, const Peak& peak, const Shape& shape) {
  const std::shared_ptr<const Network<T>> network = network_of<T>(shape);
  const auto time = [&](const char* direction, auto call) {
    const std::string name =
        fmt::format("{}/convolution/{}x{}_{}_to_{}_by_{}x{}/{}", precision, shape.side, shape.side,
                    shape.inputs, shape.outputs, shape.kernel, shape.kernel, direction);
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
      Tape<T> tape({network->recorded(), network->scratch(), {}}, kChains);
      Batch<T> in(network->inputs(), kChains);
      Batch<T> out(network->outputs(), kChains);
      Random(1).normals(Purpose::kNaive, 0, 0, in);
      const Meter meter(static_cast<double>(network->multiply_adds()), peak);
      for (auto _ : state) {
        call(*network, tape, in, out);
        benchmark::ClobberMemory();
      }
      meter.report(state);
    });
  };
  time("forward", [](const Network<T>& net, Tape<T>& tape, Batch<T>& in, Batch<T>& out) {
    net.forward(in, out, tape, 0);
  });
  time("reverse", [](const Network<T>& net, Tape<T>& tape, Batch<T>& in, Batch<T>& out) {
    net.reverse(tape, 0, out, in);
  });
}

}  // namespace

template <typename T>
void add_convolutions(const std::string& precision, const Peak& peak) {
  const std::vector<Shape> shapes = {{14, 2, 64, 3}, {14, 64, 64, 1},  {14, 64, 4, 3},
                                     {7, 4, 128, 3}, {7, 128, 128, 1}, {7, 128, 8, 3}};
  for (const Shape& shape : shapes) add<T>(precision, peak, shape);
}

template void add_convolutions<float>(const std::string&, const Peak&);
template void add_convolutions<double>(const std::string&, const Peak&);

}  // namespace flotilla::bench
