#include "flotilla/flow/base.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "flow/base/diagonal_normal.hpp"
#include "flow/base/gaussian_mixture.hpp"
#include "flow/base/standard_normal.hpp"
#include "flow/base/uniform_box.hpp"

namespace flotilla {
namespace {

template <typename T>
struct Entry {
  std::string_view type;
  std::unique_ptr<Base<T>> (*make)(const LayerReader& reader);
};

template <typename T, template <typename> class Type>
constexpr Entry<T> entry() {
  return {Type<T>::kType, [](const LayerReader& reader) -> std::unique_ptr<Base<T>> {
            return std::make_unique<Type<T>>(reader);
          }};
}

/// Every base density that a flow file may name, one line each.
template <typename T>
constexpr std::array kRegistry = {
    entry<T, StandardNormal>(),
    entry<T, DiagonalNormal>(),
    entry<T, GaussianMixture>(),
    entry<T, UniformBox>(),
};

}  // namespace

template <typename T>
std::unique_ptr<Base<T>> make_base(const LayerRecord& record, Index dim) {
  const LayerReader reader(record, fmt::format("base density ({})", record.type), dim);
  if (reader.has_text("direction")) reader.fail("it has no direction: drop that attribute");
  for (const Entry<T>& entry : kRegistry<T>) {
    if (entry.type == record.type) return entry.make(reader);
  }
  reader.fail(fmt::format("base density '{}' is unknown (this version has: {})", record.type,
                          fmt::join(base_types(), ", ")));
}

std::vector<std::string_view> base_types() {
  std::vector<std::string_view> types;
  types.reserve(kRegistry<double>.size());
  for (const Entry<double>& entry : kRegistry<double>) types.push_back(entry.type);
  return types;
}

template std::unique_ptr<Base<float>> make_base(const LayerRecord&, Index);
template std::unique_ptr<Base<double>> make_base(const LayerRecord&, Index);

}  // namespace flotilla
