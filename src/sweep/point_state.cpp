#include "sweep/point_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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

/// Whether a process holds the folder (train/folder_lock.h).
bool is_locked(const fs::path& folder) {
  const int lock = ::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return false;
  const bool held = ::flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(lock);
  return held;
}

/// When the run last said something, in seconds since 1970; 0 where there is none.
int64_t newest(const fs::path& folder) {
  int64_t time = 0;
  for (const char* name : {"summary.json", "metrics.jsonl"}) {
    struct stat status {};
    if (::stat((folder / name).c_str(), &status) == 0) time = std::max<int64_t>(time, status.st_mtime);
  }
  return time;
}

}  // namespace

std::string name_of(State state) {
  switch (state) {
    case State::kMissing: return "not started";
    case State::kRunning: return "running";
    case State::kBegun: return "begun";
    case State::kStopped: return "stopped";
    case State::kTrained: return "not evaluated";
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
  try {
    for (const auto& [name, attempt] : notes.at("attempts").items()) attempts_[name] = {attempt.value("code", 1), attempt.value("error", ""), attempt.value("time", int64_t{0})};
  } catch (const json::exception&) {
    throw DataError(file_.string() + " is not what a sweep writes. Move it aside; the runs themselves are not touched.");
  }
}

std::optional<Attempt> Attempts::of(const std::string& point) const {
  const auto found = attempts_.find(point);
  return found == attempts_.end() ? std::nullopt : std::optional(found->second);
}

void Attempts::note(const std::string& point, const Attempt& attempt) {
  if (attempt.code == 0) attempts_.erase(point);
  else attempts_[point] = attempt;
  json notes = {{"attempts", json::object()}};
  for (const auto& [name, of] : attempts_) notes["attempts"][name] = {{"code", of.code}, {"error", of.error}, {"time", of.time}};
  write_file_atomically(file_, notes.dump(2) + "\n");
}

PointState read_state(const fs::path& folder, const Wanted& wanted, const std::optional<Attempt>& noted) {
  PointState state;
  const auto summary = read_json(folder / "summary.json");
  if (is_locked(folder)) state.state = State::kRunning;
  else if (summary.is_object()) state.state = summary.value("state", "") == "done" ? State::kDone : State::kStopped;
  else if (std::error_code ignored; fs::exists(folder / "config.yaml", ignored)) state.state = State::kBegun;
  if (summary.is_object()) {
    state.step = summary.value("steps", int64_t{0});
    state.steps = summary.value("steps_planned", int64_t{0});
    state.seconds = summary.value("seconds", 0.0);
    if (!wanted.identity.empty() && summary.value("identity", "") != wanted.identity) {
      state.state = State::kOther;
      return state;
    }
    state.top1 = number_of(summary, "final");
    state.holdout = number_of(summary, summary.contains("holdout") ? "holdout" : "validation");
  }
  if (state.state == State::kDone && state.step < wanted.steps) state.state = State::kStopped;
  const auto evaluated = [&](const std::string& test) { return fs::exists(folder / "eval" / test / "eval.json"); };
  if (state.state == State::kDone && !std::all_of(wanted.tests.begin(), wanted.tests.end(), evaluated)) state.state = State::kTrained;
  if (!noted || state.state == State::kRunning || newest(folder) > noted->time) return state;
  state.error = noted->error;
  if (state.state != State::kDone && state.state != State::kTrained) state.state = noted->code == static_cast<int>(ExitCode::kDiverged) ? State::kDiverged : State::kFailed;
  return state;
}

}  // namespace liere::sweep
