// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flotilla/core/error.hpp"

namespace flotilla {

/// Whether a type is written as the number that it is.
template <typename V>
inline constexpr bool kIsNumber = std::is_arithmetic_v<V> || std::is_enum_v<V>;

/// Without Boost's header: its reader would allocate whatever length that says, and a checkpoint
/// has its own.
inline constexpr unsigned kBare = boost::archive::no_header;

/// Writes values to bytes. A type of our own hands over its members in archive(with).
class ArchiveWriter {
 public:
  ArchiveWriter() : archive_(stream_, kBare) {}

  template <typename... Values>
  void operator()(Values&... values) {
    (write(values), ...);
  }

  /// All that was written.
  std::string bytes() && { return std::move(stream_).str(); }

 private:
  template <typename V>
  void write(V& value) {
    if constexpr (std::is_enum_v<V>) {
      write_number(static_cast<std::int64_t>(value));
    } else if constexpr (std::is_same_v<V, bool>) {
      write_number(static_cast<std::uint8_t>(value));
    } else if constexpr (kIsNumber<V>) {
      write_number(value);
    } else {
      value.archive(*this);
    }
  }
  void write(std::string& text) {
    std::vector<char> characters(text.begin(), text.end());
    write(characters);
  }
  template <typename V>
  void write(std::optional<V>& value) {
    write_number(static_cast<std::uint8_t>(value.has_value()));
    if (value) write(*value);
  }
  template <typename V, std::size_t kCount>
  void write(std::array<V, kCount>& values) {
    for (V& value : values) write(value);
  }
  template <typename V>
  void write(std::vector<V>& values) {
    write_number(static_cast<std::uint64_t>(values.size()));
    if constexpr (kIsNumber<V>) {
      archive_ << boost::serialization::make_array(values.data(), values.size());
    } else {
      for (V& value : values) write(value);
    }
  }
  template <typename V>
  void write(Batch<V>& batch) {
    write_number(static_cast<std::int64_t>(batch.dim()));
    write_number(static_cast<std::int64_t>(batch.chains()));
    for (Index i = 0; i < batch.dim(); ++i) {
      archive_ << boost::serialization::make_array(batch.row(i),
                                                   static_cast<std::size_t>(batch.chains()));
    }
  }
  template <typename V>
  void write_number(V value) {
    archive_ << std::as_const(value);
  }

  std::ostringstream stream_;
  boost::archive::binary_oarchive archive_;
};

/// Reads back what an ArchiveWriter wrote. It allocates no more than the bytes can hold.
class ArchiveReader {
 public:
  /// @param file  that the bytes are from; errors name it
  ArchiveReader(const std::string& bytes, std::string file)
      : file_(std::move(file)), size_(bytes.size()), stream_(bytes), archive_(stream_, kBare) {}

  /// @throws InputError if the bytes hold something else
  template <typename... Values>
  void operator()(Values&... values) {
    try {
      (read(values), ...);
    } catch (const boost::archive::archive_exception& error) {
      refuse(error.what());
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw InputError(file_ + ": its contents cannot be read: " + what +
                     ": remove it to begin the run again from its first step");
  }

  template <typename V>
  void read(V& value) {
    if constexpr (std::is_enum_v<V>) {
      value = static_cast<V>(number<std::int64_t>());
    } else if constexpr (std::is_same_v<V, bool>) {
      value = number<std::uint8_t>() != 0;
    } else if constexpr (kIsNumber<V>) {
      value = number<V>();
    } else {
      value.archive(*this);
    }
  }
  void read(std::string& text) {
    // Boost has the length in front, and would allocate whatever it says.
    const std::vector<char> characters = take<std::vector<char>>();
    text.assign(characters.begin(), characters.end());
  }
  template <typename V>
  void read(std::optional<V>& value) {
    value.reset();
    if (number<std::uint8_t>() != 0) value = take<V>();
  }
  template <typename V, std::size_t kCount>
  void read(std::array<V, kCount>& values) {
    for (V& value : values) read(value);
  }
  template <typename V>
  void read(std::vector<V>& values) {
    const auto count = number<std::uint64_t>();
    if (count > size_ / (kIsNumber<V> ? sizeof(V) : 1)) refuse("a length is beyond its end");
    if constexpr (kIsNumber<V>) {
      values.resize(count);
      archive_ >> boost::serialization::make_array(values.data(), values.size());
    } else {
      // They may be larger in memory than in the bytes.
      values.clear();
      for (std::uint64_t i = 0; i < count; ++i) values.push_back(take<V>());
    }
  }
  /// Into a batch of this shape.
  template <typename V>
  void read(Batch<V>& batch) {
    const auto dim = number<std::int64_t>();
    const auto chains = number<std::int64_t>();
    if (dim != batch.dim() || chains != batch.chains()) refuse("a batch has another shape");
    for (Index i = 0; i < dim; ++i) {
      archive_ >> boost::serialization::make_array(batch.row(i), static_cast<std::size_t>(chains));
    }
  }
  template <typename V>
  V take() {
    V value{};
    read(value);
    return value;
  }
  template <typename V>
  V number() {
    V value{};
    archive_ >> value;
    return value;
  }

  std::string file_;
  std::size_t size_;
  std::istringstream stream_;
  boost::archive::binary_iarchive archive_;
};

}  // namespace flotilla
