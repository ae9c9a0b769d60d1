#include "report/sizes.h"

#include <algorithm>

namespace liere::report {
namespace {

constexpr auto kTrained = "trained";

double volume(const Size& size) {
  double product = 1;
  for (const int64_t side : size) product *= static_cast<double>(side);
  return product;
}

/// "a (A, B), b (C)", or "a" where all have the same.
std::string grouped(const std::vector<std::pair<std::string, std::string>>& value_and_label) {
  std::vector<std::pair<std::string, std::string>> groups;
  for (const auto& [value, label] : value_and_label) {
    if (value.empty()) continue;
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == value; });
    if (same == groups.end())
      groups.push_back({value, label});
    else
      same->second.append(", ").append(label);
  }
  std::string text;
  for (const auto& [value, labels] : groups) {
    text.append(text.empty() ? "" : "; ").append(value);
    if (groups.size() > 1) text.append(" (").append(labels).append(")");
  }
  return text;
}

}  // namespace

std::string Manner::text() const { return reading + (reading.empty() || positions.empty() ? "" : ", ") + positions; }

std::string size_text(const Size& size) {
  std::string text;
  for (const int64_t side : size) text.append(text.empty() ? "" : "x").append(std::to_string(side));
  return text;
}

std::vector<Size> evaluated_sizes(const std::vector<Run>& runs) {
  std::vector<Size> sizes;
  for (const Run& run : runs)
    for (const ResolutionResult& result : run.resolution_test)
      if (std::find(sizes.begin(), sizes.end(), result.size) == sizes.end()) sizes.push_back(result.size);
  std::stable_sort(sizes.begin(), sizes.end(), [](const Size& a, const Size& b) { return volume(a) < volume(b); });
  return sizes;
}

std::vector<Manner> manners(const Run& run) {
  std::vector<Manner> found;
  for (const ResolutionResult& result : run.resolution_test) {
    const Manner manner{result.reading, result.positions};
    if (std::find(found.begin(), found.end(), manner) == found.end()) found.push_back(manner);
  }
  const auto is_trained = [](const Manner& manner) { return manner.reading == kTrained; };
  if (!std::all_of(found.begin(), found.end(), is_trained)) std::erase_if(found, is_trained);
  const auto rank = [&run](const Manner& manner) {
    const bool own = run.positions.empty() ? manner.positions != "fixed" : manner.positions == run.positions;
    return std::pair(own ? 0 : 1, manner.reading == "scaled" ? 1 : 0);
  };
  std::stable_sort(found.begin(), found.end(), [&](const Manner& a, const Manner& b) { return rank(a) < rank(b); });
  return found;
}

const ResolutionResult* find_result(const Run& run, const Size& size, const Manner& manner) {
  for (const ResolutionResult& result : run.resolution_test)
    if (result.size == size && result.positions == manner.positions && (result.reading == manner.reading || result.reading == kTrained))
      return &result;
  return nullptr;
}

const ResolutionResult* main_result(const Run& run, const Size& size) {
  const std::vector<Manner> found = manners(run);
  return found.empty() ? nullptr : find_result(run, size, found.front());
}

std::optional<Size> trained_size(const std::vector<Run>& runs) {
  std::optional<Size> trained;
  for (const Run& run : runs)
    for (const ResolutionResult& result : run.resolution_test) {
      if (result.reading != kTrained) continue;
      if (trained && *trained != result.size) return std::nullopt;
      trained = result.size;
    }
  return trained;
}

std::string main_manners_in_words(const std::vector<Run>& runs) {
  std::vector<std::pair<std::string, std::string>> readings, positions;
  for (const Run& run : runs) {
    const std::vector<Manner> found = manners(run);
    if (found.empty()) continue;
    readings.push_back({found.front().reading, run.label});
    if (found.front().positions != "none") positions.push_back({found.front().positions, run.label});
  }
  const std::string reading = grouped(readings), position = grouped(positions);
  return (reading.empty() ? "" : "reading " + reading) + (reading.empty() || position.empty() ? "" : ", ") +
         (position.empty() ? "" : "positions " + position);
}

}  // namespace liere::report
