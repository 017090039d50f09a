// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// An array of a flow file, in double precision and C order.
struct Tensor {
  std::vector<Index> shape;
  std::vector<double> values;  ///< in C order

  bool operator==(const Tensor&) const = default;
};

/// A layer or the base density as the file has it: type, attributes and arrays, unchecked.
struct LayerRecord {
  std::string type;
  std::map<std::string, std::string> texts;
  std::map<std::string, double> numbers;
  std::map<std::string, Tensor> arrays;
  std::string module = {};  ///< the bytes of a TorchScript file; never part of a flow file

  /// Number of trainable numbers in its arrays. Masks and permutations do not count: they say how
  /// the layer is wired.
  std::size_t parameters() const;

  bool operator==(const LayerRecord&) const = default;
};

/// Values that the exporter computed in double precision: with them any reader can prove that it
/// understood the file. log_det and base_log_density are [points], all other arrays [points x dim].
/// The arrays of the base density may be empty, as in files that know N(0, I) alone. The context of
/// an unconditional flow is empty too.
struct GoldenValues {
  Tensor z;
  Tensor x;
  Tensor log_det;
  Tensor log_det_gradient;  ///< grad_z log|det J|
  Tensor tangent;           ///< an arbitrary v
  Tensor jvp;               ///< J v
  Tensor base_log_density;  ///< log q_Z(z)
  Tensor base_score;        ///< grad_z log q_Z(z)
  Tensor context;           ///< [context_dim], seen by the conditioners of a conditional flow
  Tensor z_from_x;          ///< f^-1(x), only for an inverse that is not exact
  Tensor tangent_from_jvp;  ///< J^-1 jvp by that inverse

  bool operator==(const GoldenValues&) const = default;
};

/// A flow as data: files hold it, ranks send it, layers are built from it.
struct FlowRecord {
  Index dim = 0;
  Index context_dim = 0;  ///< size of the context; 0 if unconditional or already fixed
  LayerRecord base = {"standard_normal", {}, {}, {}};
  std::vector<LayerRecord> layers;  ///< in sampling order: the first acts on z
  GoldenValues golden;
  std::map<std::string, std::string> provenance;  ///< what made the flow, for people
  std::vector<double> context;                    ///< fixed by at_context(); not part of a file
  std::string checksum;  ///< "sha256:<hex>" over dim, context_dim, base density and layers

  /// Whether it is a TorchScript module in place of layers of ours.
  bool is_module() const { return !layers.empty() && !layers.front().module.empty(); }

  bool operator==(const FlowRecord&) const = default;
};

/// Reads a layer's attributes and arrays and checks each. Errors name the layer.
///
/// Every getter throws InputError if the entry is missing, has another shape or is not finite.
class LayerReader {
 public:
  /// @param label  how errors begin: "layer 3 (affine_coupling)"
  LayerReader(const LayerRecord& record, std::string label, Index dim);

  Index dim() const { return dim_; }
  const std::string& type() const { return record_->type; }

  /// A text that the record must have.
  std::string text(const std::string& name) const;
  bool has_text(const std::string& name) const;
  /// The position of a text among the allowed ones; 0 if the record does not have it.
  std::size_t choice(const std::string& name, const std::vector<std::string>& allowed) const;
  /// A finite number; `fallback` if the record does not have it.
  double number_or(const std::string& name, double fallback) const;
  /// A number that the record must have.
  double number(const std::string& name) const;
  /// A whole number from 1 to dim(); `fallback` if the record does not have it.
  Index count_or(const std::string& name, Index fallback) const;
  bool has_array(const std::string& name) const;
  /// The shape of an array that the record must have.
  const std::vector<Index>& shape(const std::string& name) const;
  /// The values of an array of this shape. All must be finite.
  const std::vector<double>& array(const std::string& name, const std::vector<Index>& shape) const;
  /// An array of whole numbers: distinct indices in [0, dim), or zeros and ones.
  std::vector<Index> whole_numbers(const std::string& name, Index count) const;

  /// Throws InputError if the record has an entry that is not listed. `direction` and `coordinates`
  /// are always allowed: every layer may have them.
  void expect_only(const std::vector<std::string>& names) const;

  /// InputError(label + ": " + message)
  [[noreturn]] void fail(const std::string& message) const;

 private:
  const LayerRecord* record_;
  std::string label_;
  Index dim_;
};

}  // namespace flotilla
