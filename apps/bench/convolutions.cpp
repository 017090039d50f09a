#include "convolutions.hpp"

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "flotilla/core/random.hpp"
#include "flow/convolution.hpp"
#include "flow/image.hpp"
#include "meter.hpp"

namespace flotilla::bench {
namespace {

/// Side of the square image, channels in and out, side of the kernel.
struct Shape {
  Index side;
  Index inputs;
  Index outputs;
  Index kernel;
};

template <typename T>
void add(const std::string& precision, const Peak& peak, const Shape& shape) {
  const Index pixels = shape.side * shape.side;
  const std::vector<double> weights(
      static_cast<std::size_t>(shape.inputs * shape.outputs * shape.kernel * shape.kernel), 0.01);
  const auto convolution = std::make_shared<PackedConvolution<T>>(
      typename PackedConvolution<T>::Shape{shape.outputs, shape.inputs, shape.kernel, shape.kernel,
                                           shape.side, shape.side},
      weights, PixelRows::by_pixel(shape.inputs, pixels),
      PixelRows::by_pixel(shape.outputs, pixels));
  const std::string name =
      fmt::format("{}/convolution/{}x{}_{}_to_{}_by_{}x{}", precision, shape.side, shape.side,
                  shape.inputs, shape.outputs, shape.kernel, shape.kernel);
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    Batch<T> in(shape.inputs * pixels, kChains);
    Batch<T> out(shape.outputs * pixels, kChains);
    Random(1).normals(Purpose::kNaive, 0, 0, in);
    const Meter meter(static_cast<double>(convolution->multiply_adds()), peak);
    for (auto _ : state) {
      convolve(*convolution, in, out, [](Index /*row*/) {});
      benchmark::ClobberMemory();
    }
    meter.report(state);
  });
}

}  // namespace

template <typename T>
void add_convolutions(const std::string& precision, const Peak& peak) {
  const std::vector<Shape> shapes = {{14, 2, 64, 3}, {14, 64, 64, 1},  {14, 64, 4, 3},
                                     {7, 4, 128, 3}, {7, 128, 128, 1}, {7, 128, 8, 3}};
  for (const Shape& shape : shapes) {
    add<T>(precision, peak, shape);
    if (shape.inputs == shape.outputs) continue;  // the way back is the same product
    add<T>(precision, peak, {shape.side, shape.outputs, shape.inputs, shape.kernel});
  }
}

template void add_convolutions<float>(const std::string&, const Peak&);
template void add_convolutions<double>(const std::string&, const Peak&);

}  // namespace flotilla::bench
