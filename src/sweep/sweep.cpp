#include "sweep/sweep.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>
#include <list>
#include <set>
#include <thread>

#include "core/check.h"
#include "core/log.h"
#include "core/signals.h"
#include "sweep/process.h"

namespace liere::sweep {

namespace fs = std::filesystem;

namespace {

constexpr int kStoppedEarly = static_cast<int>(ExitCode::kStoppedEarly), kDiverged = static_cast<int>(ExitCode::kDiverged);

/// Part `job` of `jobs` of the processors that this process may use; empty where there are fewer than jobs.
std::vector<int> share_of_processors(int64_t job, int64_t jobs) {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> all, share;
  if (jobs == 1 || sched_getaffinity(0, sizeof set, &set) != 0) return share;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor)
    if (CPU_ISSET(processor, &set)) all.push_back(processor);
  const auto count = static_cast<int64_t>(all.size());
  for (int64_t i = count * job / jobs; i < count * (job + 1) / jobs; ++i) share.push_back(all[static_cast<size_t>(i)]);
  return share;
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

/// A training under way, then its tests.
struct Running {
  const Point* point;
  int64_t job;
  Process process;
  bool evaluates;
  fs::path log;
};

/// One liere-sweep trains a sweep at a time.
class Lock {
 public:
  explicit Lock(const fs::path& output) {
    std::error_code error;
    fs::create_directories(output, error);
    if (error) throw CheckpointError("the folder " + output.string() + " cannot be made: " + error.message() + ". Name another with output in the sweep's file.");
    file_ = ::open((output / "sweep.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file_ < 0) throw CheckpointError((output / "sweep.lock").string() + " cannot be written: " + std::strerror(errno) + ".");
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    ::close(file_);
    throw CheckpointError("another liere-sweep runs in " + output.string() + ". Wait for it, or stop it; liere-sweep status tells how far it is.");
  }
  ~Lock() { ::close(file_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace

Sweep::Sweep(const SweepFile& file, const SweepOptions& options) : file_(file), options_(options), attempts_(file.output) {
  if (options_.jobs < 1 || options_.jobs > 256) throw ConfigError("--jobs is " + std::to_string(options_.jobs) + ", expected 1 to 256.");
  check_tests();
  learn_costs();
  choose();
  keep_own_entries();
}

std::vector<std::string> Sweep::train_arguments(const Point& point) const {
  std::vector<std::string> arguments = {"--config", point.config};
  arguments.insert(arguments.end(), point.overrides.begin(), point.overrides.end());
  return arguments;
}

void Sweep::choose() {
  const size_t before = chosen_.size();
  for (const auto& choice : choices())
    if (!choice.value.empty()) chosen_[choice.of] = choice.value;
  if (chosen_.size() > before) learn_costs();
}

std::vector<Point> Sweep::points() const { return points(file_); }

std::vector<Point> Sweep::points(const SweepFile& file) const {
  auto all = tuning_points(file);
  for (auto point : points_of(file)) {
    if (file.tune)
      if (const auto chosen = chosen_.find(point.at.at(file.tune->per)); chosen != chosen_.end()) point.overrides.push_back(file.tune->key + "=" + chosen->second);
    if (other_experiments_.count(point.folder)) std::erase_if(point.overrides, [](const auto& text) { return text.starts_with("reproduces="); });
    all.push_back(point);
  }
  return all;
}

PointState Sweep::state_of(const Point& point) const {
  Wanted wanted;
  if (const auto cost = costs_.find(point.folder); cost != costs_.end() && is_chosen(point)) {
    wanted.identity = cost->second.identity;
    wanted.steps = cost->second.steps;
  }
  if (point.tuning_of.empty()) wanted.tests = file_.evaluate;
  return read_state(point.folder, wanted, attempts_.of(point.name));
}

bool Sweep::is_to_train(const Point& point) const {
  const auto state = state_of(point).state;
  return is_chosen(point) && state != State::kDone && state != State::kTrained && (state != State::kDiverged || options_.retry);
}

bool Sweep::is_chosen(const Point& point) const { return !file_.tune || !point.tuning_of.empty() || chosen_.count(point.at.at(file_.tune->per)) > 0; }

std::vector<Choice> Sweep::choices() const {
  std::vector<Choice> choices;
  for (const auto& point : tuning_points(file_)) {
    if (choices.empty() || choices.back().of != point.tuning_of) choices.push_back({point.tuning_of, "", std::nan(""), 0, 0, 0, 0, {}});
    auto& choice = choices.back();
    const auto state = state_of(point);
    ++choice.runs;
    if (state.state == State::kDiverged) ++choice.done, ++choice.diverged;  // its budget is spent, and it is not chosen
    if (state.state != State::kDone) continue;
    ++choice.done;
    choice.steps += state.step;
    if (std::isnan(state.holdout)) throw DataError("the summary of the tuning run " + point.folder + " has no figure of held-out data. Move the folder aside; it is trained again.");
    if (std::isnan(choice.holdout) || state.holdout > choice.holdout) {
      choice.holdout = state.holdout;
      choice.value = point.tuned_value;
      choice.tied.clear();
    } else if (state.holdout == choice.holdout) {
      choice.tied.push_back(point.tuned_value);
    }
  }
  for (auto& choice : choices)
    if (choice.done < choice.runs) choice.value.clear();
  return choices;
}

int Sweep::run() {
  const Lock lock(file_.output);
  int worst = 0;
  if (file_.tune) {
    worst = run_all(tuning_points(file_));
    if (worst == kStoppedEarly || (worst != 0 && options_.stop_on_error)) return worst;
    choose();
  }
  std::vector<Point> finals;
  for (const auto& point : points())
    if (point.tuning_of.empty() && is_chosen(point)) finals.push_back(point);
  if (const int code = run_all(finals); code != 0) return code;
  const auto all = points();
  const auto is_done = [this](const Point& point) { return is_chosen(point) && state_of(point).state == State::kDone; };
  return std::all_of(all.begin(), all.end(), is_done) ? 0 : static_cast<int>(ExitCode::kFailure);
}

void Sweep::end_of(const Point& point, int code, const std::string& error) {
  if (code == kStoppedEarly) return;
  const auto why = ending(code) + (error.empty() ? "" : ": " + error);
  attempts_.note(point.name, {code, code == 0 ? "" : why, static_cast<int64_t>(std::time(nullptr))});
  if (code != 0) log_warning(point.name + (code == kDiverged ? " diverged: " : " failed: ") + why);
  else if (options_.jobs > 1) log_info(point.name + ": done");
}

int Sweep::run_all(const std::vector<Point>& points) {
  std::vector<std::pair<const Point*, bool>> waiting;  // and whether its tests alone are missing
  for (const auto& point : points) {
    if (is_to_train(point)) waiting.emplace_back(&point, false);
    else if (state_of(point).state == State::kTrained) waiting.emplace_back(&point, true);
  }
  std::reverse(waiting.begin(), waiting.end());
  size_t done = points.size() - waiting.size();
  if (!waiting.empty()) log_info(file_.name + ": " + std::to_string(waiting.size()) + " of " + std::to_string(points.size()) + " runs to do");
  std::list<Running> running;
  std::set<int64_t> free_jobs;
  for (int64_t job = 0; job < options_.jobs; ++job) free_jobs.insert(job);
  bool failed = false, passed_on = false, stopped_early = false;
  const auto start = [&](const Point& point, int64_t job, bool evaluates) {
    const fs::path log = options_.jobs == 1 ? fs::path() : fs::path(file_.output) / (point.name + (evaluates ? ".eval.log" : ".log"));
    std::vector<std::string> arguments;
    if (evaluates) {
      arguments = {options_.eval, "--checkpoint", point.folder, "--test", joined(file_.evaluate, ",")};
    } else {
      arguments = train_arguments(point);
      arguments.insert(arguments.begin(), options_.train);
    }
    if (!evaluates || file_.evaluate.empty() || state_of(point).state == State::kTrained)
      log_info("--- " + std::to_string(done + running.size() + 1) + " of " + std::to_string(points.size()) + ": " + point.name + (evaluates ? ", its tests" : ""));
    running.push_back({&point, job, Process(arguments, {log, share_of_processors(job, options_.jobs)}), evaluates, log});
  };
  while (!running.empty() || (!waiting.empty() && !stop_requested() && !(failed && options_.stop_on_error))) {
    while (!waiting.empty() && !free_jobs.empty() && !stop_requested() && !(failed && options_.stop_on_error)) {
      const auto [point, tests_alone] = waiting.back();
      waiting.pop_back();
      const int64_t job = *free_jobs.begin();
      free_jobs.erase(free_jobs.begin());
      start(*point, job, tests_alone);
    }
    if (stop_requested() && !passed_on)
      for (const auto& child : running) child.process.signal(stop_signal());
    passed_on |= stop_requested();
    for (auto child = running.begin(); child != running.end();) {
      const auto code = child->process.ended();
      if (!code) {
        ++child;
        continue;
      }
      // A child that a signal ended before it could take it was stopped, too.
      const int meant = passed_on && *code > 128 ? kStoppedEarly : *code;
      const auto point = child->point;
      const auto job = child->job;
      const bool evaluates_next = meant == 0 && !child->evaluates && !file_.evaluate.empty() && point->tuning_of.empty() && !stop_requested();
      end_of(*point, meant, child->log.empty() ? child->process.error() : error_in(child->log));
      failed |= meant != 0 && meant != kStoppedEarly;
      stopped_early |= meant == kStoppedEarly;
      child = running.erase(child);
      if (evaluates_next) {
        start(*point, job, true);
      } else {
        free_jobs.insert(job);
        ++done;
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  if (!stop_requested()) return failed ? 1 : stopped_early ? kStoppedEarly : 0;
  log_info(std::string(stop_signal_name()) + ": stopped; the same command goes on");
  return kStoppedEarly;
}

}  // namespace liere::sweep
