// SPDX-License-Identifier: BSD-3-Clause
#include "torchscript/density.hpp"

#include <torch/torch.h>

#include "torchscript/archive.hpp"
#include "torchscript/tensors.hpp"

namespace flotilla::torchscript {
namespace {

class ModuleDensity final : public DensityEngine {
 public:
  explicit ModuleDensity(const std::string& bytes) {
    const torch::jit::Module archive = load_archive(bytes, Content::kDensity);
    shape_ = {archive.attr("tile_width").toInt(), archive.attr("dim").toInt()};
    module_ = archive.attr("double_").toModule();
    for (at::Tensor parameter : module_.parameters()) parameter.set_requires_grad(false);
    if (!module_.find_method("forward")) {
      throw std::runtime_error("its module has no method 'forward'");
    }
  }

  void evaluate(const double* points, double* values, double* gradient) const override {
    const torch::AutoGradMode graph(gradient != nullptr);
    const DefaultType<double> of_module;
    with_torch("the TorchScript module failed in 'forward'", [&] {
      const at::Tensor at_points =
          copy_of<double>(points, shape_).requires_grad_(gradient != nullptr);
      const at::Tensor found = log_density(at_points);
      store<double>(found, values);
      if (gradient == nullptr) return;
      if (!found.requires_grad()) {
        throw std::runtime_error("its result does not depend on its argument");
      }
      store<double>(torch::autograd::grad({found}, {at_points}, {at::ones_like(found)})[0],
                    gradient);
    });
  }

 private:
  at::Tensor log_density(const at::Tensor& points) const {
    const c10::IValue result = module_.get_method("forward")({points});
    if (result.isTensor() && result.toTensor().sizes() == at::IntArrayRef{shape_[0]} &&
        result.toTensor().scalar_type() == at::kDouble) {
      return result.toTensor();
    }
    throw std::runtime_error(
        "it returned something else than one log density for each point, in double precision");
  }

  std::vector<std::int64_t> shape_;
  torch::jit::Module module_;
};

}  // namespace

std::unique_ptr<DensityEngine> make_density_engine(const std::string& bytes) {
  return std::make_unique<ModuleDensity>(bytes);
}

}  // namespace flotilla::torchscript
