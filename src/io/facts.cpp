// SPDX-License-Identifier: BSD-3-Clause
#include "io/facts.hpp"

namespace flotilla {
namespace {

struct WriteFact {
  hdf5::Object& object;
  const std::string& name;
  void operator()(const std::string& value) const { object.write_text(name, value); }
  void operator()(double value) const { object.write_number(name, value); }
  void operator()(std::int64_t value) const { object.write_whole_number(name, value); }
};

}  // namespace

void write_fact(hdf5::Object& object, const std::string& name, const RunFact& fact) {
  std::visit(WriteFact{object, name}, fact);
}

void write_facts(hdf5::Object& object, const RunFacts& facts) {
  for (const auto& [name, fact] : facts) write_fact(object, name, fact);
}

}  // namespace flotilla
