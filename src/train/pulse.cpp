#include "train/pulse.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <future>
#include <iostream>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/check.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/signals.h"

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* kFailure = "failure";
constexpr auto kStoreAnswers = std::chrono::seconds(3);
// How long another rank's failure may be known before this one is ended in the middle of a wait: the wait usually ends by itself.
constexpr auto kGrace = std::chrono::seconds(3);

// Before training, when the store and the machines may be busy: what is silence then, and at least how long nothing is too long.
constexpr auto kBeginningSilence = std::chrono::seconds(5);
constexpr double kBeginningSeconds = 120;

std::string key(int rank) { return "sign/" + std::to_string(rank); }
std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

/// "17\thost\tat step 12, in the gradients" without its first field, readable.
std::string where(const std::string& sign) {
  const auto host = sign.find('\t'), place = sign.find('\t', host + 1);
  if (host == std::string::npos || place == std::string::npos) return "which has not been heard of";
  return "on " + sign.substr(host + 1, place - host - 1) + " (last heard of " + sign.substr(place + 1) + ")";
}

/// The result of `call`, or nullopt when it throws or takes longer than `limit`; it goes on by itself then.
template <class T>
std::optional<T> within(Clock::duration limit, std::function<T()> call) {
  auto promise = std::make_shared<std::promise<T>>();
  auto result = promise->get_future();
  std::thread([promise, call = std::move(call)] {
    try {
      promise->set_value(call());
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }).detach();
  if (result.wait_for(limit) != std::future_status::ready) return std::nullopt;
  try {
    return result.get();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace

struct Pulse::State : std::enable_shared_from_this<Pulse::State> {
  /// A rank's last sign and since when it has been the same.
  struct Sight {
    std::string sign;
    Clock::time_point since{};
  };

  c10::intrusive_ptr<c10d::Store> store;  // a connection of its own
  int rank = 0, size = 1;
  double timeout = 0;
  milliseconds interval{};
  std::atomic<int64_t> step = 0;
  std::atomic<const char*> what = nullptr;
  std::atomic<Clock::time_point> entered{};
  std::atomic<bool> failure_known = false;
  std::atomic<bool> explaining = false, explained = false;  // the waiting thread says it itself
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  // What the store has told, under the mutex.
  std::vector<Sight> sights;
  std::string failure, found;  // found: who was missing when this rank gave up
  Clock::time_point answered{};  // the store's last answer
  bool store_gone = false;

  /// How long a sign must have been the same to be that of a rank that is gone.
  Clock::duration silence() const { return 3 * interval; }

  bool pause() {
    std::unique_lock lock(mutex);
    return !wake.wait_for(lock, interval, [this] { return stopping; });
  }

  void beat(int64_t number) {
    const char* const now = what;
    store->set(key(rank), bytes_of(std::to_string(number) + "\t" + host_name() + "\tat step " + std::to_string(step.load()) + (now ? std::string(", in ") + now : std::string(", working"))));
  }

  /// Asks the store who lives: of rank 0, which may take the store with it, always; of the others while this rank waits.
  void look() {
    const auto reason = store->check({kFailure}) ? text_of(store->get(kFailure)) : std::string();
    const bool waiting = explaining || (what.load() && Clock::now() - entered.load() > 2 * interval);
    std::vector<std::pair<size_t, std::string>> seen;
    for (int r = 0; r < (waiting ? size : 1); ++r)
      if (r != rank) seen.emplace_back(r, store->check({key(r)}) ? text_of(store->get(key(r))) : std::string());
    const std::lock_guard lock(mutex);
    answered = Clock::now();
    if (!reason.empty()) failure = reason;
    failure_known = failure_known || !reason.empty();
    for (const auto& [r, sign] : seen)
      if (sights[r].since == Clock::time_point{} || sights[r].sign != sign) sights[r] = {sign, answered};
    if (!waiting)  // nobody looked: an old sign says nothing
      for (size_t r = 1; r < sights.size(); ++r) sights[r].since = {};
  }

  void keep_beating() {
    for (int64_t number = 1; pause(); ++number) {
      try {
        beat(number);
        look();
      } catch (const std::exception&) {
        const std::lock_guard lock(mutex);
        store_gone = true;  // rank 0 is: the collectives notice
        return;
      }
    }
  }

  void keep_watching() {
    std::optional<Clock::time_point> failed_at;
    while (pause()) {
      if (failure_known && !failed_at) failed_at = Clock::now();
      if (!what.load() || explaining || explained) continue;
      const bool beginning = what == Pulse::kConnecting || what == Pulse::kComparing;
      if (beginning) watch_beginning();
      const auto waited = Clock::now() - entered.load();
      const bool too_long = waited > std::chrono::duration<double>(beginning ? std::max(timeout, kBeginningSeconds) : timeout) + kGrace;
      if (!too_long && !(failed_at && Clock::now() - *failed_at > kGrace && waited > kGrace)) continue;
      std::cerr << "error: " << explain(too_long ? "no answer for " + format_duration(std::chrono::duration<double>(waited).count()) : "another rank ended") << std::endl;
      std::_Exit(static_cast<int>(ExitCode::kDevice));
    }
  }

  /// Before training a rank that ends is waited for. Nothing is written yet that an end could cut off.
  void watch_beginning() {
    if (stop_requested()) {
      std::cerr << "error: stopped by " << stop_signal_name() << " before training; the same command begins again." << std::endl;
      std::_Exit(static_cast<int>(ExitCode::kStoppedEarly));
    }
    if (missing(kBeginningSilence).empty()) return;
    std::cerr << "error: " << explain("it ended or stands still") << std::endl;
    std::_Exit(static_cast<int>(ExitCode::kDevice));
  }

  std::string missing() { return missing(silence()); }
  /// Who is missing, as far as the signs tell by now: they have not changed for so long; empty where nobody is.
  std::string missing(Clock::duration unchanged) {
    const std::lock_guard lock(mutex);
    if (!failure.empty()) return failure;
    const auto now = Clock::now();
    if (rank != 0 && (store_gone || now - answered > unchanged))
      return "no sign of life from rank 0 " + where(sights[0].sign) + ", which serves the ranks' meeting place";
    std::string silent;
    for (int r = 0; r < size; ++r) {
      const auto& sight = sights[static_cast<size_t>(r)];
      if (r == rank || sight.since == Clock::time_point{} || answered - sight.since < unchanged) continue;
      silent += (silent.empty() ? "" : ", ") + ("rank " + std::to_string(r) + " " + where(sight.sign));
    }
    return silent.empty() ? "" : "no sign of life from " + silent;
  }

  bool store_answers() {
    const std::lock_guard lock(mutex);
    return !store_gone && Clock::now() - answered <= silence();
  }

  std::string alive() {
    const std::lock_guard lock(mutex);
    std::string list;
    for (int r = 0; r < size; ++r)
      if (r != rank) list += (list.empty() ? "" : ", ") + ("rank " + std::to_string(r) + " " + where(sights[static_cast<size_t>(r)].sign));
    return "all ranks live: " + list;
  }

  std::string explain(const std::string& cause) {
    const char* const now = what;
    explaining = true;
    std::string who;
    // A rank that has just died is silent for sure after a while; one that was waited for in vain is known by now.
    for (const auto until = Clock::now() + silence() + 2 * interval; (who = missing()).empty() && Clock::now() < until;) std::this_thread::sleep_for(milliseconds(10));
    if (who.empty()) who = alive();
    {
      const std::lock_guard lock(mutex);
      found = who;
    }
    explained = true;
    return "rank " + std::to_string(rank) + " on " + host_name() + " could not go on with the others at step " + std::to_string(step.load()) + (now ? std::string(", in ") + now : "") + " (" + cause +
           "): " + who + ". The same command goes on from the last checkpoint.";
  }
};

Pulse::Pulse(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size, double timeout_seconds) : state_(std::make_shared<State>()) {
  state_->store = store->clone();
  state_->rank = rank;
  state_->size = size;
  state_->timeout = timeout_seconds;
  state_->interval = milliseconds(static_cast<int64_t>(std::clamp(100 * timeout_seconds, 50.0, 300.0)));
  state_->sights.resize(static_cast<size_t>(size));
  state_->beat(0);
  if (rank != 0) state_->store->wait({key(0)});  // its place is known even if it ends at once
  state_->look();
  std::thread([state = state_] { state->keep_beating(); }).detach();
  std::thread([state = state_] { state->keep_watching(); }).detach();
}

Pulse::~Pulse() {
  const std::lock_guard lock(state_->mutex);
  state_->stopping = true;
  state_->wake.notify_all();
}

void Pulse::set_step(int64_t step) { state_->step = step; }

void Pulse::enter(const char* what) {
  state_->entered = Clock::now();
  state_->what = what;
}

void Pulse::leave() { state_->what = nullptr; }

std::string Pulse::explain(const std::string& cause) {
  auto text = state_->explain(cause);
  leave();
  return text;
}

void Pulse::report_failure(const std::string& reason) noexcept {
  try {
    if (!state_->store_answers()) return;
    auto first_line = reason.substr(0, reason.find('\n'));
    if (first_line.ends_with('.')) first_line.pop_back();
    const std::string text = state_->explained ? state_->found : "rank " + std::to_string(state_->rank) + " on " + host_name() + " ended: " + first_line;
    within<bool>(kStoreAnswers, [state = state_, text] {
      state->store->compareSet(kFailure, {}, bytes_of(text));
      return true;
    });
    // The store ends with rank 0: the others have looked into it by then.
    if (state_->rank == 0 && !state_->explained) std::this_thread::sleep_for(2 * state_->interval);
  } catch (const std::exception&) {  // no thread to be had: the others notice by themselves
  }
}

}  // namespace liere
