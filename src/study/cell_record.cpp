// SPDX-License-Identifier: BSD-3-Clause
#include "study/cell_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "flotilla/core/error.hpp"
#include "flotilla/core/undefined.hpp"
#include "flotilla/diagnostics/moments.hpp"
#include "run/json_number.hpp"

namespace flotilla {
namespace {

using Json = nlohmann::ordered_json;

/// A column of a study's reports: its name in the tables and in the records of cells.
struct ReportColumn {
  const char* name;
  double CellReport::*value;
};

constexpr ReportColumn kReportColumns[] = {
    {"draws", &CellReport::draws}, {"seconds", &CellReport::seconds},
    {"rhat", &CellReport::rhat},   {"nested_rhat", &CellReport::nested_rhat},
    {"ess", &CellReport::ess},     {"error", &CellReport::error}};

double number(const Json& value) {
  return value.is_number() ? value.get<double>() : kUndefined;
}

/// A number if the whole text is one.
std::optional<double> as_number(const std::string& text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Numbers if all texts are numbers.
Table::Column column_of(const std::vector<std::string>& texts) {
  std::vector<double> numbers;
  for (const std::string& text : texts) {
    const std::optional<double> value = as_number(text);
    if (!value) return texts;
    numbers.push_back(*value);
  }
  return numbers;
}

/// The names of all figures. A record need not have all of them: a failed cell has none, and the
/// number of modes depends on the flow.
std::vector<std::string> figure_names(const std::vector<CellRecord>& records) {
  std::vector<std::string> names;
  std::set<std::string> known;
  for (const CellRecord& record : records) {
    for (const auto& [name, value] : record.figures) {
      if (known.insert(name).second) names.push_back(name);
    }
  }
  return names;
}

double figure(const CellRecord& record, const std::string& name) {
  const auto found = std::find_if(record.figures.begin(), record.figures.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == record.figures.end() ? kUndefined : found->second;
}

/// The columns of the varied options, for the given cells. The seed is last.
void add_options(const StudyPlan& plan, const std::vector<std::size_t>& cells, bool seed,
                 Table& table) {
  const std::size_t count = plan.cells.front().options.size() - (seed ? 0 : 1);
  for (std::size_t k = 0; k < count; ++k) {
    std::vector<std::string> texts;
    texts.reserve(cells.size());
    for (const std::size_t cell : cells) texts.push_back(plan.cells[cell].options[k].second);
    table.columns.emplace_back(plan.cells.front().options[k].first, column_of(texts));
  }
}

/// What all runs are about, in a column of its own where the study does not vary it: a picture
/// names it.
struct Subject {
  const char* column;
  std::string (*of)(const RunConfig& config);
};

const Subject kSubjects[] = {
    {"flow",
     [](const RunConfig& run) { return std::filesystem::path(run.flow).filename().string(); }},
    {"target", [](const RunConfig& run) { return run.target.name; }},
    {"kernel", [](const RunConfig& run) { return run.kernel.name; }},
    {"acceptance_target",
     [](const RunConfig& run) { return fmt::format("{}", run.wanted_acceptance()); }},
};

void add_subjects(const StudyPlan& plan, const std::vector<std::size_t>& cells, Table& table) {
  for (const Subject& subject : kSubjects) {
    const auto& varied = plan.cells.front().options;
    if (std::any_of(varied.begin(), varied.end(),
                    [&](const auto& option) { return option.first == subject.column; })) {
      continue;
    }
    std::vector<std::string> texts;
    texts.reserve(cells.size());
    for (const std::size_t cell : cells) texts.push_back(subject.of(plan.cells[cell].config));
    table.columns.emplace_back(subject.column, column_of(texts));
  }
}

Table runs_of(const StudyPlan& plan, const std::vector<CellRecord>& records) {
  Table table{"runs", {}};
  std::vector<std::size_t> cells;
  std::vector<double> numbers;
  std::vector<std::string> messages;
  std::vector<std::string> unmet;
  for (std::size_t i = 0; i < records.size(); ++i) {
    cells.push_back(i);
    numbers.push_back(static_cast<double>(i));
    messages.push_back(records[i].message);
    unmet.push_back(records[i].unmet);
  }
  table.columns.emplace_back("run", numbers);
  add_options(plan, cells, true, table);
  add_subjects(plan, cells, table);
  table.columns.emplace_back("message", messages);
  table.columns.emplace_back("unmet", unmet);
  for (const std::string& name : figure_names(records)) {
    std::vector<double> values;
    values.reserve(records.size());
    for (const CellRecord& record : records) values.push_back(figure(record, name));
    table.columns.emplace_back(name, values);
  }
  return table;
}

/// Groups of cells that differ only in their seed, in order.
std::vector<std::vector<std::size_t>> repeats(const StudyPlan& plan) {
  std::vector<std::vector<std::size_t>> groups;
  const auto alike = [&](std::size_t a, std::size_t b) {
    const auto& one = plan.cells[a].options;
    const auto& other = plan.cells[b].options;
    return std::equal(one.begin(), one.end() - 1, other.begin(), other.end() - 1);
  };
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    const auto found = std::find_if(groups.begin(), groups.end(),
                                    [&](const auto& group) { return alike(group.front(), i); });
    if (found == groups.end()) {
      groups.push_back({i});
    } else {
      found->push_back(i);
    }
  }
  return groups;
}

Table means_of(const StudyPlan& plan, const std::vector<CellRecord>& records) {
  Table table{"means", {}};
  const std::vector<std::vector<std::size_t>> groups = repeats(plan);
  std::vector<std::size_t> firsts;
  std::vector<double> counts;
  for (const auto& group : groups) {
    firsts.push_back(group.front());
    counts.push_back(static_cast<double>(std::count_if(
        group.begin(), group.end(), [&](std::size_t i) { return records[i].message.empty(); })));
  }
  add_options(plan, firsts, false, table);
  add_subjects(plan, firsts, table);
  table.columns.emplace_back("runs", counts);
  for (const std::string& name : figure_names(records)) {
    std::vector<double> means;
    std::vector<double> errors;
    for (const auto& group : groups) {
      // If one run lacks the figure, its mean is undefined: else it would be the mean of the lucky
      // runs.
      Moments moments;
      for (const std::size_t i : group) {
        if (records[i].message.empty()) moments.observe(figure(records[i], name));
      }
      means.push_back(moments.count() > 0.0 ? moments.mean() : kUndefined);
      errors.push_back(std::sqrt(moments.variance() / moments.count()));
    }
    table.columns.emplace_back(name, means);
    table.columns.emplace_back(name + "_error", errors);
  }
  return table;
}

Table reports_of(const std::vector<CellRecord>& records) {
  Table table{"reports", {}};
  std::vector<double> runs;
  for (std::size_t i = 0; i < records.size(); ++i) {
    runs.insert(runs.end(), records[i].reports.size(), static_cast<double>(i));
  }
  table.columns.emplace_back("run", runs);
  for (const auto& [name, value] : kReportColumns) {
    std::vector<double> values;
    for (const CellRecord& record : records) {
      for (const CellReport& report : record.reports) values.push_back(report.*value);
    }
    table.columns.emplace_back(name, values);
  }
  return table;
}

}  // namespace

std::optional<CellRecord> read_record(const std::string& path) {
  std::ifstream file(path);
  const Json json = Json::parse(file, nullptr, false);
  if (!json.is_object() || !json.contains("key") || !json["key"].is_string()) return std::nullopt;
  try {
    CellRecord record;
    record.key = json.at("key").get<std::string>();
    record.message = json.at("message").get<std::string>();
    record.unmet = json.at("unmet").get<std::string>();
    for (const auto& [name, value] : json.at("figures").items()) {
      record.figures.emplace_back(name, number(value));
    }
    for (const Json& row : json.at("reports")) {
      CellReport& report = record.reports.emplace_back();
      for (const ReportColumn& column : kReportColumns) {
        report.*column.value = number(row.at(column.name));
      }
    }
    return record;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;  // a file of some other program
  }
}

FileReplacement write_record(const std::string& path, const CellRecord& record) {
  Json json = {{"key", record.key}, {"message", record.message}, {"unmet", record.unmet}};
  json["figures"] = Json::object();
  for (const auto& [name, value] : record.figures) json["figures"][name] = json_number(value);
  json["reports"] = Json::array();
  for (const CellReport& report : record.reports) {
    Json row;
    for (const ReportColumn& column : kReportColumns) {
      row[column.name] = json_number(report.*column.value);
    }
    json["reports"].push_back(row);
  }
  FileReplacement replacement(path);
  std::ofstream file(replacement.unfinished(), std::ios::trunc);
  file << json.dump(1) << "\n";
  file.close();
  if (!file) fail_to_write(path);
  return replacement;
}

std::vector<Table> tables_of(const StudyPlan& plan, const std::vector<CellRecord>& records) {
  return {runs_of(plan, records), means_of(plan, records), reports_of(records)};
}

}  // namespace flotilla
