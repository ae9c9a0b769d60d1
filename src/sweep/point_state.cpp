#include "sweep/point_state.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/files.h"

namespace liere::sweep {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

json read_json(const fs::path& file) {
  std::ifstream in(file);
  return in ? json::parse(in, nullptr, /*allow_exceptions=*/false) : json();
}

double number_of(const json& summary, const char* part) {
  if (!summary.contains(part) || !summary[part].is_object()) return std::numeric_limits<double>::quiet_NaN();
  const auto& value = summary[part].value("top1", json());
  return value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

std::string name_of(State state) {
  switch (state) {
    case State::kMissing: return "not started";
    case State::kBegun: return "begun";
    case State::kStopped: return "stopped";
    case State::kDone: return "done";
    case State::kFailed: return "failed";
    case State::kDiverged: return "diverged";
    case State::kOther: return "another run";
  }
  return "?";
}

Attempts::Attempts(const fs::path& output) : file_(output / "sweep.json") {
  const auto notes = read_json(file_);
  if (notes.is_null()) return;
  if (!notes.is_object() || !notes.contains("attempts")) throw DataError(file_.string() + " is not what a sweep writes. Move it aside; the runs themselves are not touched.");
  for (const auto& [name, attempt] : notes["attempts"].items()) attempts_[name] = {attempt.value("code", 1), attempt.value("error", "")};
}

std::optional<Attempt> Attempts::of(const std::string& point) const {
  const auto found = attempts_.find(point);
  return found == attempts_.end() ? std::nullopt : std::optional(found->second);
}

void Attempts::note(const std::string& point, const Attempt& attempt) {
  if (attempt.code == 0) attempts_.erase(point);
  else attempts_[point] = attempt;
  json notes = {{"attempts", json::object()}};
  for (const auto& [name, of] : attempts_) notes["attempts"][name] = {{"code", of.code}, {"error", of.error}};
  fs::create_directories(file_.parent_path());
  write_file_atomically(file_, notes.dump(2) + "\n");
}

PointState read_state(const fs::path& folder, const std::string& identity, const std::optional<Attempt>& attempt) {
  PointState state;
  std::error_code ignored;
  if (attempt) {
    state.state = attempt->code == static_cast<int>(ExitCode::kDiverged) ? State::kDiverged : State::kFailed;
    state.error = attempt->error;
  } else if (fs::exists(folder / "config.yaml", ignored)) {
    state.state = State::kBegun;
  }
  const auto summary = read_json(folder / "summary.json");
  if (!summary.is_object()) return state;
  state.step = summary.value("steps", int64_t{0});
  state.steps = summary.value("steps_planned", int64_t{0});
  state.seconds = summary.value("seconds", 0.0);
  if (!identity.empty() && summary.value("identity", "") != identity) {
    state.state = State::kOther;
    return state;
  }
  state.top1 = number_of(summary, "final");
  state.holdout = number_of(summary, summary.contains("holdout") ? "holdout" : "validation");
  const auto text = summary.value("state", "");
  if (text == "done") state.state = State::kDone;
  else if (!attempt && text == "stopped") state.state = State::kStopped;
  return state;
}

}  // namespace liere::sweep
