#include "train/fault.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/log.h"

namespace liere {
namespace {

constexpr std::pair<const char*, FaultKind> kKinds[] = {
    {"throw", FaultKind::kThrow}, {"oom", FaultKind::kOom},   {"segv", FaultKind::kSegv},     {"abort", FaultKind::kAbort},
    {"nan", FaultKind::kNan},     {"exit", FaultKind::kExit}, {"freeze", FaultKind::kFreeze},
};

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  throw ConfigError(
      "LIERE_FAULT is '" + text + "': " + why +
      ". Expected RANK:STEP:KIND with KIND throw, oom, segv, abort, nan, exit or freeze, as in 1:5:nan. It makes a run fail for tests: unset "
      "it to train.");
}

int64_t number(const std::string& text, const std::string& field, int64_t least) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size() || value < least)
    refuse(text, "'" + field + "' is no number from " + std::to_string(least) + " on");
  return value;
}

}  // namespace

Fault parse_fault(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = parts.size() == 3 ? text.size() : std::min(text.find(':', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.size() < 3) refuse(text, "it has " + std::to_string(parts.size()) + (parts.size() == 1 ? " part" : " parts"));
  Fault fault;
  fault.rank = number(text, parts[0], 0);
  if (fault.repeated = parts[1].ends_with('+'); fault.repeated) parts[1].pop_back();
  fault.step = number(text, parts[1], 1);
  const auto* const kind = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const auto& entry) { return parts[2] == entry.first; });
  if (kind == std::end(kKinds)) refuse(text, "'" + parts[2] + "' is no kind of fault");
  fault.kind = kind->second;
  if (parts.size() == 3) return fault;
  if (fault.kind != FaultKind::kNan || parts[3].empty()) refuse(text, "only nan takes a fourth part, the name of a weight");
  fault.weight = parts[3];
  return fault;
}

std::optional<Fault> fault_of(int64_t rank, int64_t ranks, const NamedTensors& weights) {
  const char* const text = std::getenv("LIERE_FAULT");
  if (!text) return std::nullopt;
  auto fault = parse_fault(text);
  if (fault.rank >= ranks) refuse(text, "the run has " + std::to_string(ranks) + (ranks == 1 ? " rank, 0" : " ranks, from 0 on"));
  if (fault.weight.empty()) fault.weight = weights.front().first;
  if (std::none_of(weights.begin(), weights.end(), [&](const auto& entry) { return entry.first == fault.weight; }))
    refuse(text, "the model has no weight '" + fault.weight + "'");
  if (fault.rank != rank) return std::nullopt;
  log_warning("LIERE_FAULT=" + std::string(text) + ": this run fails on purpose");
  return fault;
}

void strike(const Fault& fault, int64_t step, const NamedTensors& weights) {
  switch (fault.kind) {
    case FaultKind::kThrow:
      throw std::runtime_error("LIERE_FAULT: thrown on purpose in step " + std::to_string(step) + ".");
    case FaultKind::kOom:
      throw std::bad_alloc();
    case FaultKind::kSegv:
      std::raise(SIGSEGV);
      return;
    case FaultKind::kAbort:
      std::abort();
    case FaultKind::kExit:
      std::_Exit(static_cast<int>(ExitCode::kFailure));
    case FaultKind::kFreeze:
      std::raise(SIGSTOP);
      return;
    case FaultKind::kNan:
      break;
  }
  for (const auto& [name, weight] : weights) {
    if (name != fault.weight) continue;
    auto gradient = torch::zeros_like(weight.detach());
    gradient.view({-1}).narrow(0, 0, 1).fill_(std::numeric_limits<double>::quiet_NaN());
    auto target = weight;
    target.mutable_grad() = gradient;
  }
}

}  // namespace liere
