// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// An array of a flow file in double precision, C order.
struct Tensor {
  std::vector<Index> shape;
  std::vector<double> values;

  bool operator==(const Tensor&) const = default;
};

/// A layer, or the base density, as the file has it: its type, its attributes and its arrays, not
/// yet checked.
struct LayerRecord {
  std::string type;
  std::map<std::string, std::string> texts;
  std::map<std::string, double> numbers;
  std::map<std::string, Tensor> arrays;
  std::string module = {};  ///< a TorchScript file, whole; in no flow file

  /// Numbers in its arrays that training may have found: all but those that say how the layer is
  /// wired, as masks and permutations do.
  std::size_t parameters() const;

  bool operator==(const LayerRecord&) const = default;
};

/// Values that the exporter computed in double precision, for any reader to prove itself against.
/// All arrays are [points x dim] but log_det and base_log_density, which are [points]. Those of the
/// base density may be empty, as in files that know N(0, I) alone, and so is the context of an
/// unconditional flow.
struct GoldenValues {
  Tensor z;
  Tensor x;
  Tensor log_det;
  Tensor log_det_gradient;  ///< grad_z log|det J|
  Tensor tangent;           ///< an arbitrary v
  Tensor jvp;               ///< J v
  Tensor base_log_density;  ///< log q_Z(z)
  Tensor base_score;        ///< grad_z log q_Z(z)
  Tensor context;           ///< [context_dim], what the conditioners of a conditional flow saw
  Tensor z_from_x;          ///< of an inverse that is not exact: f^-1(x) by itself, and below
  Tensor tangent_from_jvp;  ///< J^-1 jvp by its own graph

  bool operator==(const GoldenValues&) const = default;
};

/// A flow as data: what a file holds, what travels between ranks, what layers are built from.
struct FlowRecord {
  Index dim = 0;
  Index context_dim = 0;  ///< numbers that a conditional flow has to be told; 0 once it was
  LayerRecord base = {"standard_normal", {}, {}, {}};
  std::vector<LayerRecord> layers;  ///< in sampling order: the first acts on z
  GoldenValues golden;
  std::map<std::string, std::string> provenance;
  std::vector<double> context;  ///< what at_context() fixed; no part of a file
  std::string checksum;         ///< "sha256:<hex>" over dim, context_dim, base density and layers

  bool operator==(const FlowRecord&) const = default;
};

/// Reads a layer's attributes and arrays, each checked, with errors that name the layer.
///
/// Every getter throws InputError when the entry is missing, of another shape, or not finite.
class LayerReader {
 public:
  /// @param label  how errors begin: "layer 3 (affine_coupling)"
  LayerReader(const LayerRecord& record, std::string label, Index dim);

  Index dim() const { return dim_; }
  const std::string& type() const { return record_->type; }

  std::string text(const std::string& name) const;
  bool has_text(const std::string& name) const;
  /// The position of a text among the allowed ones; the first where the record has none.
  std::size_t choice(const std::string& name, const std::vector<std::string>& allowed) const;
  double number_or(const std::string& name, double fallback) const;
  /// A number that must exist.
  double number(const std::string& name) const;
  /// A whole number from 1 to dim().
  Index count_or(const std::string& name, Index fallback) const;
  bool has_array(const std::string& name) const;
  /// The shape of an array that must exist.
  const std::vector<Index>& shape(const std::string& name) const;
  /// The values of an array that must have this shape and be finite.
  const std::vector<double>& array(const std::string& name, const std::vector<Index>& shape) const;
  /// An array of distinct indices in [0, dim), or of zeros and ones: whole numbers all the same.
  std::vector<Index> whole_numbers(const std::string& name, Index count) const;

  /// Throws InputError when the record holds an entry that is neither among these nor one that
  /// every layer may have: `direction`, `coordinates`.
  void expect_only(const std::vector<std::string>& names) const;

  /// InputError(label + ": " + message)
  [[noreturn]] void fail(const std::string& message) const;

 private:
  const LayerRecord* record_;
  std::string label_;
  Index dim_;
};

}  // namespace flotilla
