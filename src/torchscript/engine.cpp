// SPDX-License-Identifier: BSD-3-Clause

// A module of a TorchScript file with its Jacobian products, and the plugin's entry point.

#include "torchscript/engine.hpp"

#include <dlfcn.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/torch.h>

#include "torchscript/archive.hpp"
#include "torchscript/density.hpp"
#include "torchscript/tensors.hpp"

namespace flotilla::torchscript {
namespace {

template <typename T>
class ModuleEngine final : public Engine<T> {
 public:
  explicit ModuleEngine(const std::string& bytes) {
    const torch::jit::Module archive = load_archive(bytes, Content::kFlow);
    shape_ = {archive.attr("tile_width").toInt(), archive.attr("dim").toInt()};
    has_inverse_ = archive.attr("inverse_sign").toInt() != 0;
    module_ = archive.attr(kPrecision).toModule();
    for (at::Tensor parameter : module_.parameters()) parameter.set_requires_grad(false);
    for (const Method method : {Method::kForward, Method::kInverse}) {
      if (method == Method::kInverse && !has_inverse_) continue;
      if (!module_.find_method(name(method))) {
        throw std::runtime_error(std::string("its module has no method '") + name(method) + "'");
      }
    }
  }

  void evaluate(Method method, const T* points, T* images, T* log_det) const override {
    const torch::NoGradGuard no_graph;
    run(method, [&] {
      const Mapped mapped = map(method, copy_of<T>(points, shape_));
      store<T>(mapped.point, images);
      store<T>(mapped.log_det, log_det);
    });
  }

  // The reverse pass of a reverse pass. J^T u is linear in u, and the derivative of v . J^T u with
  // respect to u is J v.
  void push(Method method, const T* points, T* v) const override {
    const torch::AutoGradMode graph(true);
    run(method, [&] {
      const at::Tensor at_points = copy_of<T>(points, shape_).requires_grad_();
      const Mapped mapped = map(method, at_points);
      if (!mapped.point.requires_grad()) {
        throw std::runtime_error("its result does not depend on its argument");
      }
      const at::Tensor u = at::zeros_like(mapped.point).requires_grad_();
      const at::Tensor pulled = torch::autograd::grad({mapped.point}, {at_points}, {u},
                                                      /*retain_graph=*/true,
                                                      /*create_graph=*/true)[0];
      store<T>(torch::autograd::grad({pulled}, {u}, {copy_of<T>(v, shape_)})[0], v);
    });
  }

  void pull(Method method, const T* points, const T* log_det_bar, T* w) const override {
    const torch::AutoGradMode graph(true);
    run(method, [&] {
      const at::Tensor at_points = copy_of<T>(points, shape_).requires_grad_();
      const Mapped mapped = map(method, at_points);
      std::vector<at::Tensor> outputs;
      std::vector<at::Tensor> cotangents;
      if (mapped.point.requires_grad()) {
        outputs.push_back(mapped.point);
        cotangents.push_back(copy_of<T>(w, shape_));
      }
      if (mapped.log_det.requires_grad()) {
        outputs.push_back(mapped.log_det);
        cotangents.push_back(copy_of<T>(log_det_bar, {shape_[0]}));
      }
      store<T>(torch::autograd::grad(outputs, {at_points}, cotangents)[0], w);
    });
  }

 private:
  struct Mapped {
    at::Tensor point;
    at::Tensor log_det;
  };

  static constexpr const char* kPrecision = sizeof(T) == sizeof(float) ? "single" : "double_";

  static const char* name(Method method) {
    return method == Method::kForward ? "forward" : "inverse";
  }

  template <typename Work>
  static void run(Method method, Work work) {
    const DefaultType<T> of_module;
    with_torch(std::string("the TorchScript module failed in '") + name(method) + "'", work);
  }

  static const at::Tensor& expect(const c10::IValue& value, at::IntArrayRef shape) {
    if (value.isTensor() && value.toTensor().sizes() == shape &&
        value.toTensor().scalar_type() == kScalar<T>) {
      return value.toTensor();
    }
    throw std::runtime_error("it returned something else than (points, log dets) in its precision");
  }

  Mapped map(Method method, const at::Tensor& points) const {
    const c10::IValue result = module_.get_method(name(method))({points});
    if (!result.isTuple() || result.toTupleRef().elements().size() != 2) {
      throw std::runtime_error("it returned something else than (points, log dets)");
    }
    const auto& elements = result.toTupleRef().elements();
    return {expect(elements[0], shape_), expect(elements[1], {shape_[0]})};
  }

  std::vector<std::int64_t> shape_;
  bool has_inverse_ = false;
  torch::jit::Module module_;
};

/// One thread, and no rewriting of the module's graph at run time: the bits of a result must not
/// depend on how often the module ran before.
void settle_torch() {
  static const bool settled = [] {
    at::set_num_threads(1);
    at::set_num_interop_threads(1);
    torch::jit::setGraphExecutorOptimize(false);
    // A BLAS built on POSIX threads ignores LibTorch's setting.
    using SetThreads = void (*)(int);
    const auto set_blas_threads =
        reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
    if (set_blas_threads != nullptr) set_blas_threads(1);
    return true;
  }();
  static_cast<void>(settled);
}

Description settle_and_describe(const std::string& bytes) {
  settle_torch();
  return describe(bytes);
}

template <typename T>
std::unique_ptr<Engine<T>> make(const std::string& bytes) {
  settle_torch();
  return std::make_unique<ModuleEngine<T>>(bytes);
}

DensityDescription settle_and_describe_density(const std::string& bytes) {
  settle_torch();
  return describe_density(bytes);
}

std::unique_ptr<DensityEngine> make_density(const std::string& bytes) {
  settle_torch();
  return make_density_engine(bytes);
}

}  // namespace
}  // namespace flotilla::torchscript

extern "C" __attribute__((visibility("default"))) const flotilla::torchscript::Plugin*
flotilla_torchscript_plugin() {
  using namespace flotilla::torchscript;
  static const Plugin plugin{&settle_and_describe, &make<float>, &make<double>,
                             &settle_and_describe_density, &make_density};
  return &plugin;
}
