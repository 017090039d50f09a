// A layer that is a TorchScript module, and the entry of the plugin.

#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "flotilla/flow/torchscript.hpp"
#include "torchscript/archive.hpp"
#include "torchscript/plugin.hpp"

namespace flotilla {
namespace {

// Recorded slots: both ends of the map, so that products need not find the other one.
constexpr std::size_t kLatent = 0;
constexpr std::size_t kImage = 1;

/// A module's output for one slab of chains.
struct Mapped {
  at::Tensor point;    // [chains x dim]
  at::Tensor log_det;  // [chains]
};

template <typename T>
class TorchScriptLayer final : public Layer<T> {
 public:
  TorchScriptLayer(const LayerRecord& record, Index dim)
      : Layer<T>(dim),
        width_(static_cast<Index>(record.numbers.at("tile_width"))),
        inverse_sign_(record.numbers.at("inverse_sign")),
        module_(load_archive(record.module).attr(kPrecision).toModule()) {
    for (at::Tensor parameter : module_.parameters()) parameter.set_requires_grad(false);
    for (const char* name : {"forward", "inverse"}) {
      const bool needed = inverse_sign_ != 0.0 || std::string_view(name) == "forward";
      if (needed && !module_.find_method(name)) {
        throw InputError(fmt::format("its module has no method '{}': export it again", name));
      }
    }
  }

  std::string_view type() const override { return kTorchScript; }
  TapeShape tape_shape() const override {
    TapeShape shape;
    shape.recorded = {this->dim(), this->dim()};
    return shape;
  }
  Index multiply_adds() const override { return 0; }
  bool has_inverse() const override { return inverse_sign_ != 0.0; }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override {
    tape.recorded(kLatent) = point;
    evaluate("forward", 1.0, point, log_det);
    tape.recorded(kImage) = point;
  }

  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override {
    tape.recorded(kImage) = point;
    evaluate("inverse", inverse_sign_, point, log_det);
    tape.recorded(kLatent) = point;
  }

  void jvp(const Tape<T>& tape, Batch<T>& v) const override {
    push("forward", tape.recorded(kLatent), v);
  }

  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override {
    pull("forward", 1.0, tape.recorded(kLatent), w, log_det_bar);
  }

  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override {
    push("inverse", tape.recorded(kImage), v);
  }

  // J^-T (w + bar grad_z l) = grad_x (w . z + bar l), z and l the inverse's as functions of x.
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override {
    pull("inverse", inverse_sign_, tape.recorded(kImage), w, log_det_bar);
  }

 private:
  static constexpr const char* kPrecision = sizeof(T) == sizeof(float) ? "single" : "double_";
  static constexpr at::ScalarType kScalar = sizeof(T) == sizeof(float) ? at::kFloat : at::kDouble;

  /// Calls work(slab, first, count) for all slabs of the columns.
  template <typename Work>
  void for_each_slab(const char* method, Index chains, Work work) const {
    with_torch(fmt::format("the TorchScript module failed in '{}'", method), [&] {
      for (Index first = 0; first < chains; first += width_) {
        work(first, std::min(width_, chains - first));
      }
    });
  }

  /// Columns first, ..., first + count - 1 as [width x dim]; the last one fills up what is missing.
  at::Tensor slab(const Batch<T>& batch, Index first, Index count) const {
    at::Tensor rows = at::empty({width_, batch.dim()}, kScalar);
    T* next = rows.template data_ptr<T>();
    for (Index c = 0; c < width_; ++c) {
      const Index column = first + std::min(c, count - 1);
      for (Index i = 0; i < batch.dim(); ++i) *next++ = batch(i, column);
    }
    return rows;
  }

  void store(const at::Tensor& rows, Index first, Index count, Batch<T>& batch) const {
    expect(rows, {width_, batch.dim()});
    const at::Tensor values = rows.detach().contiguous();
    const T* next = values.template data_ptr<T>();
    for (Index c = 0; c < count; ++c) {
      for (Index i = 0; i < batch.dim(); ++i) batch(i, first + c) = *next++;
    }
  }

  static void expect(const at::Tensor& found, at::IntArrayRef shape) {
    if (found.sizes() == shape && found.scalar_type() == kScalar) return;
    throw InputError(
        "the TorchScript module returned a tensor of another shape or precision: "
        "export it again");
  }

  Mapped map(const char* method, const at::Tensor& point) const {
    const c10::IValue result = module_.get_method(method)({point});
    if (!result.isTuple() || result.toTupleRef().elements().size() != 2 ||
        !result.toTupleRef().elements()[0].isTensor() ||
        !result.toTupleRef().elements()[1].isTensor()) {
      throw InputError(
          fmt::format("'{}' of the TorchScript module should return (point, log_det)", method));
    }
    Mapped mapped{result.toTupleRef().elements()[0].toTensor(),
                  result.toTupleRef().elements()[1].toTensor()};
    expect(mapped.point, {width_, this->dim()});
    expect(mapped.log_det, {width_});
    return mapped;
  }

  /// point <- the method's image, log_det += sign times its log det.
  void evaluate(const char* method, double sign, Batch<T>& point, PerChain& log_det) const {
    const torch::NoGradGuard no_graph;
    for_each_slab(method, point.chains(), [&](Index first, Index count) {
      const Mapped mapped = map(method, slab(point, first, count));
      store(mapped.point, first, count, point);
      const at::Tensor change = mapped.log_det.to(at::kDouble).contiguous();
      for (Index c = 0; c < count; ++c) {
        log_det(0, first + c) += sign * change.template data_ptr<double>()[c];
      }
    });
  }

  /// v <- (Jacobian of the method at the point) v, by the reverse pass of a reverse pass: J^T u is
  /// linear in u, and the derivative of v . J^T u by u is J v.
  void push(const char* method, const Batch<T>& point, Batch<T>& v) const {
    const torch::AutoGradMode graph(true);
    for_each_slab(method, point.chains(), [&](Index first, Index count) {
      const at::Tensor at_point = slab(point, first, count).requires_grad_();
      const Mapped mapped = map(method, at_point);
      if (!mapped.point.requires_grad()) {
        throw InputError(fmt::format("the result of '{}' does not depend on its argument", method));
      }
      const at::Tensor u = at::zeros_like(mapped.point).requires_grad_();
      const at::Tensor pulled = torch::autograd::grad({mapped.point}, {at_point}, {u},
                                                      /*retain_graph=*/true,
                                                      /*create_graph=*/true)[0];
      store(torch::autograd::grad({pulled}, {u}, {slab(v, first, count)})[0], first, count, v);
    });
  }

  /// w <- (Jacobian of the method at the point)^T w + sign bar grad log det: one reverse pass.
  void pull(const char* method, double sign, const Batch<T>& point, Batch<T>& w,
            const Batch<T>& log_det_bar) const {
    const torch::AutoGradMode graph(true);
    for_each_slab(method, point.chains(), [&](Index first, Index count) {
      const at::Tensor at_point = slab(point, first, count).requires_grad_();
      const Mapped mapped = map(method, at_point);
      std::vector<at::Tensor> outputs;
      std::vector<at::Tensor> cotangents;
      if (mapped.point.requires_grad()) {
        outputs.push_back(mapped.point);
        cotangents.push_back(slab(w, first, count));
      }
      if (mapped.log_det.requires_grad()) {
        outputs.push_back(mapped.log_det);
        cotangents.push_back(slab(log_det_bar, first, count).squeeze(1) * sign);
      }
      store(torch::autograd::grad(outputs, {at_point}, cotangents)[0], first, count, w);
    });
  }

  Index width_;
  double inverse_sign_;
  torch::jit::Module module_;
};

/// One thread, and no rewriting of the module's graph while it runs: the bits of a result must not
/// depend on how often the module ran before.
void settle_torch() {
  static const bool settled = [] {
    at::set_num_threads(1);
    at::set_num_interop_threads(1);
    torch::jit::setGraphExecutorOptimize(false);
    // A BLAS with POSIX threads does not listen to LibTorch.
    using SetThreads = void (*)(int);
    const auto set_blas_threads =
        reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
    if (set_blas_threads != nullptr) set_blas_threads(1);
    return true;
  }();
  static_cast<void>(settled);
}

FlowRecord read(const std::string& bytes) {
  settle_torch();
  return read_archive(bytes);
}

template <typename T>
std::unique_ptr<Layer<T>> make(const LayerRecord& record, Index dim) {
  settle_torch();
  return std::make_unique<TorchScriptLayer<T>>(record, dim);
}

}  // namespace
}  // namespace flotilla

extern "C" [[gnu::visibility("default")]] const flotilla::TorchScriptPlugin*
flotilla_torchscript_plugin() {
  static const flotilla::TorchScriptPlugin plugin{&flotilla::read, &flotilla::make<float>,
                                                  &flotilla::make<double>};
  return &plugin;
}
