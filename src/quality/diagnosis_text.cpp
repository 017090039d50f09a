// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "flotilla/quality/hints.hpp"
#include "flotilla/quality/text.hpp"
#include "run/json_number.hpp"

namespace flotilla {
namespace {

constexpr std::size_t kMostRows = 20;  // of more quantities only the extremes are shown
constexpr std::size_t kWorstRows = 5;
constexpr std::size_t kNarrowest = 9;  // column width

std::string cell(const QuantityFigure& figure, const std::string& text) {
  return fmt::format(" {:>{}}", text, std::max(kNarrowest, std::string(figure.title).size()));
}

std::string head(const Diagnosis& diagnosis) {
  std::string line(20, ' ');
  for (const QuantityFigure& figure : quantity_figures()) {
    if (holds(figure.shown, diagnosis)) line += cell(figure, figure.title);
  }
  return line + "\n";
}

std::string row(const Diagnosis& diagnosis, const NamedQuantity& quantity) {
  std::string line = fmt::format("{:<20}", quantity.name);
  for (const QuantityFigure& figure : quantity_figures()) {
    if (!holds(figure.shown, diagnosis)) continue;
    line += cell(figure, printed(quantity.summary.*figure.value, figure.print));
  }
  return line + "\n";
}

/// The quantities that get a row. If there are many: the worst by each judged figure, and
/// quantities that are not vectors, such as lp.
std::vector<const NamedQuantity*> chosen_rows(const Diagnosis& diagnosis, bool all) {
  std::vector<const NamedQuantity*> chosen;
  const auto take = [&](const NamedQuantity* quantity) {
    if (std::find(chosen.begin(), chosen.end(), quantity) == chosen.end()) {
      chosen.push_back(quantity);
    }
  };
  const bool short_enough = all || diagnosis.quantities.size() <= kMostRows;
  if (!short_enough) {
    for (const QuantityFigure& figure : quantity_figures()) {
      if (!holds(figure.judged, diagnosis) || !holds(figure.shown, diagnosis)) continue;
      const std::vector<const NamedQuantity*> ordered = worst_first(diagnosis, figure);
      std::for_each(ordered.begin(), ordered.begin() + kWorstRows, take);
    }
  }
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    if (short_enough || quantity.name.back() != ']') take(&quantity);
  }
  return chosen;
}

/// Quantiles of one figure over the quantities; undefined figures are left out.
std::string spread(const Diagnosis& diagnosis, const QuantityFigure& figure) {
  std::vector<double> values;
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    const double value = quantity.summary.*figure.value;
    if (!std::isnan(value)) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  std::string line = fmt::format("{:<20}", figure.title);
  for (const double p : {0.0, 0.05, 0.5, 0.95, 1.0}) {
    const auto place =
        static_cast<std::size_t>(std::llround(p * (static_cast<double>(values.size()) - 1.0)));
    line += fmt::format(" {:>9}", values.empty() ? "-" : printed(values[place], figure.print));
  }
  return line + "\n";
}

std::string spreads(const Diagnosis& diagnosis) {
  std::string text = fmt::format("\n{:<20} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
                                 fmt::format("of {} quantities", diagnosis.quantities.size()),
                                 "least", "5 %", "50 %", "95 %", "most");
  for (const QuantityFigure& figure : quantity_figures()) {
    if (figure.threshold != nullptr && holds(figure.shown, diagnosis)) {
      text += spread(diagnosis, figure);
    }
  }
  return text;
}

std::vector<std::string> constant_quantities(const Diagnosis& diagnosis) {
  std::vector<std::string> names;
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    if (diagnosis.is_constant(quantity.summary)) names.push_back(quantity.name);
  }
  return names;
}

/// "x[0], x[2] and 7 more"
std::string listed(std::vector<std::string> names) {
  const std::size_t others = names.size() > kMostRows ? names.size() - kMostRows : 0;
  names.resize(names.size() - others);
  return fmt::format("{}{}", fmt::join(names, ", "),
                     others > 0 ? fmt::format(" and {} more", others) : "");
}

/// A line that names the constant quantities; empty if there are none.
std::string constants(const Diagnosis& diagnosis) {
  const std::vector<std::string> names = constant_quantities(diagnosis);
  if (names.empty()) return "";
  return fmt::format("the same in every draw, so without R-hat and ESS: {}\n", listed(names));
}

/// A line that names the quantities on circles; empty if there are none.
std::string circles(const Diagnosis& diagnosis) {
  std::vector<std::string> names;
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    if (quantity.on_circle) names.push_back(quantity.name);
  }
  if (names.empty()) return "";
  return fmt::format(
      "on circles: {}: the circular mean, sd and quantiles with the circle cut open opposite it, "
      "R-hat and ESS the worse of cosine and sine\n",
      listed(names));
}

nlohmann::ordered_json as_json(const Hint& hint) {
  nlohmann::ordered_json changes = nlohmann::ordered_json::array();
  for (const Change& change : hint.changes) {
    changes.push_back(nlohmann::ordered_json::object());
    for (const auto& [option, value] : change) changes.back()[option] = value;
  }
  return {{"evidence", hint.evidence}, {"sentence", hint.sentence()}, {"changes", changes}};
}

}  // namespace

std::string as_table(const Diagnosis& diagnosis, bool all) {
  std::string text = fmt::format(
      "{}: {}, {} chains{}, {} draws each{}\n\n", diagnosis.run, diagnosis.group, diagnosis.chains,
      diagnosis.superchains > 0 ? fmt::format(" in {} superchains", diagnosis.superchains) : "",
      diagnosis.draws, diagnosis.exact ? "" : ", ranked in classes");
  text += head(diagnosis);
  const std::vector<const NamedQuantity*> chosen = chosen_rows(diagnosis, all);
  for (const NamedQuantity* quantity : chosen) text += row(diagnosis, *quantity);
  if (chosen.size() < diagnosis.quantities.size()) text += spreads(diagnosis);
  text += circles(diagnosis);
  text += "\n";
  for (const RunFigure& figure : run_figures()) {
    if (*figure.title == '\0') continue;
    text += fmt::format("  {:<32}{}\n", figure.title, printed(figure.of(diagnosis), figure.print));
  }
  return text + "\n";
}

std::string advice(const Diagnosis& diagnosis, const Thresholds& thresholds) {
  std::string text;
  for (const Hint& hint : hints(diagnosis, thresholds)) {
    text += fmt::format("  {}\n", hint.sentence());
  }
  return text.empty() ? text : "what would help, the likeliest first:\n" + text;
}

std::string verdict(const Diagnosis& diagnosis, const Thresholds& thresholds) {
  const std::string constant = constants(diagnosis);
  const std::vector<std::string> found = failures(diagnosis, thresholds);
  if (!found.empty()) {
    return fmt::format("not converged:\n  {}\n{}{}", fmt::join(found, "\n  "), constant,
                       advice(diagnosis, thresholds));
  }
  std::vector<std::string> met;
  for (const Threshold* threshold : thresholds_with_options()) {
    met.push_back(fmt::format("{} at {} {:g}", threshold->title,
                              threshold->at_most ? "most" : "least", thresholds.*threshold->value));
  }
  return fmt::format("converged: {} for every quantity{}\n{}", fmt::join(met, " and "),
                     constant.empty() ? "" : " that varies", constant);
}

std::string as_json(const Diagnosis& diagnosis, const Thresholds& thresholds) {
  const std::vector<std::string> found = failures(diagnosis, thresholds);
  nlohmann::ordered_json all = {{"run", diagnosis.run},
                                {"group", diagnosis.group},
                                {"chains", diagnosis.chains},
                                {"draws", diagnosis.draws},
                                {"superchains", diagnosis.superchains},
                                {"exact", diagnosis.exact},
                                {"converged", found.empty()},
                                {"failures", found}};
  all["constant"] = constant_quantities(diagnosis);
  all["hints"] = nlohmann::ordered_json::array();
  for (const Hint& hint : hints(diagnosis, thresholds)) all["hints"].push_back(as_json(hint));
  for (const Threshold* threshold : thresholds_with_options()) {
    std::string name = threshold->name;
    std::replace(name.begin(), name.end(), '-', '_');
    all["thresholds"][name] = json_number(thresholds.*threshold->value);
  }
  for (const RunFigure& figure : run_figures()) {
    all["sampling"][figure.name] = json_number(figure.of(diagnosis));
  }
  all["quantities"] = nlohmann::ordered_json::array();
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    nlohmann::ordered_json entry = {{"name", quantity.name}};
    if (quantity.on_circle) entry["on_circle"] = true;
    for (const QuantityFigure& figure : quantity_figures()) {
      entry[figure.name] = json_number(quantity.summary.*figure.value);
    }
    all["quantities"].push_back(entry);
  }
  // Text from a file, or a path, may be no UTF-8.
  return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string as_csv(const Diagnosis& diagnosis) {
  std::string text = "name";
  for (const QuantityFigure& figure : quantity_figures()) text += fmt::format(",{}", figure.name);
  text += "\n";
  for (const NamedQuantity& quantity : diagnosis.quantities) {
    text += quantity.name;
    for (const QuantityFigure& figure : quantity_figures()) {
      const double value = quantity.summary.*figure.value;
      text += std::isnan(value) ? "," : fmt::format(",{}", value);
    }
    text += "\n";
  }
  return text;
}

}  // namespace flotilla
